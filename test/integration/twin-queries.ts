import fc from 'fast-check'
import {
  And,
  Between,
  Equal,
  type FindOperator,
  In,
  IsNull,
  LessThan,
  LessThanOrEqual,
  MoreThan,
  MoreThanOrEqual,
  Not,
  Or,
} from 'typeorm'
import { inClear, VALUES, VISIT_VALUES } from './twins'

type Operator = FindOperator<unknown>

/** A condition on one property, as data: it is shown on failure and built once for each twin. */
export type Test =
  | { readonly op: 'null' }
  | { readonly op: 'value' | 'in' | 'between' | Compared; readonly values: readonly unknown[] }
  | { readonly op: 'not' | 'and' | 'or'; readonly parts: readonly Test[] }

type Compared = keyof typeof COMPARISONS

const COMPARISONS = {
  '=': Equal,
  '<': LessThan,
  '<=': LessThanOrEqual,
  '>': MoreThan,
  '>=': MoreThanOrEqual,
} as const

export type Where = Readonly<Record<string, Test>>
export type Order = readonly (readonly [property: string, direction: OrderDirection])[]
type OrderDirection =
  | 'ASC'
  | 'DESC'
  | { readonly direction: 'ASC' | 'DESC'; readonly nulls: 'first' | 'last' }

export interface TwinQuery {
  readonly where: readonly Where[]
  readonly order: Order
  readonly skip: number | undefined
  readonly take: number | undefined
}

/** Properties whose order the database knows. */
const RANGED = ['ward', 'income', 'score', 'born', 'seen', 'account', 'surname'] as const
const EQUATED = ['code', 'nick', 'smoker'] as const

export const sealedWhere: fc.Arbitrary<Where> = whereOf(VALUES, RANGED, EQUATED)
export const visitWhere: fc.Arbitrary<Where> = whereOf(VISIT_VALUES, ['room', 'weight'], ['note'])

const direction: fc.Arbitrary<OrderDirection> = fc.oneof(
  fc.constantFrom('ASC' as const, 'DESC' as const),
  fc.record({
    direction: fc.constantFrom('ASC' as const, 'DESC' as const),
    nulls: fc.constantFrom('first' as const, 'last' as const),
  }),
)

export function orderOver(properties: readonly string[]): fc.Arbitrary<Order> {
  return fc
    .subarray([...properties])
    .chain((some) => fc.shuffledSubarray(some, { maxLength: Math.min(3, some.length) }))
    .chain((some) =>
      fc.tuple(...some.map((property) => fc.tuple(fc.constant(property), direction))),
    )
}

export function queryOf(
  where: fc.Arbitrary<Where>,
  properties: readonly string[],
): fc.Arbitrary<TwinQuery> {
  return fc.record({
    where: fc.array(where, { minLength: 1, maxLength: 3 }),
    order: orderOver(properties),
    skip: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
    take: fc.option(fc.integer({ min: 1, max: 25 }), { nil: undefined }),
  })
}

export const sealedQuery: fc.Arbitrary<TwinQuery> = queryOf(sealedWhere, RANGED)

/** Every test but comparisons, which a property without a range refuses. */
function whereOf(
  values: Readonly<Record<string, readonly unknown[]>>,
  ranged: readonly string[],
  equated: readonly string[],
): fc.Arbitrary<Where> {
  const entries = [
    ...ranged.map((property) => [property, testOf(values[property] as unknown[], true)]),
    ...equated.map((property) => [property, testOf(values[property] as unknown[], false)]),
  ]
  const tests = Object.fromEntries(entries) as Record<string, fc.Arbitrary<Test>>
  return fc
    .subarray(Object.keys(tests), { maxLength: 3 })
    .chain((some) =>
      fc.record(
        Object.fromEntries(
          some.map((property) => [property, tests[property] as fc.Arbitrary<Test>]),
        ),
      ),
    )
}

function testOf(choices: readonly unknown[], ranged: boolean): fc.Arbitrary<Test> {
  const one = fc.constantFrom(...choices)
  const some = (minLength: number, maxLength: number) => fc.array(one, { minLength, maxLength })
  const compared = fc.constantFrom(...(Object.keys(COMPARISONS) as Compared[]))
  const leaves: fc.Arbitrary<Test>[] = [
    fc.constant({ op: 'null' }),
    fc.record({ op: fc.constantFrom('value' as const, '=' as const), values: some(1, 1) }),
    fc.record({ op: fc.constant('in' as const), values: some(0, 4) }),
  ]
  if (ranged) {
    leaves.push(
      fc.record({ op: compared, values: some(1, 1) }),
      fc.record({ op: compared, values: some(1, 1) }),
      fc.record({ op: fc.constant('between' as const), values: some(2, 2) }),
    )
  }
  return fc.letrec<{ test: Test }>((tie) => ({
    test: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      ...leaves,
      fc.record({ op: fc.constant('not' as const), parts: fc.tuple(tie('test')) }),
      fc.record({
        op: fc.constantFrom('and' as const, 'or' as const),
        parts: fc.array(tie('test'), { minLength: 1, maxLength: 3 }),
      }),
    ),
  })).test
}

/** The condition for `find` on one of the twins. */
export function buildWhere(where: Where, clear: boolean): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(where).map(([property, test]) => {
      const value = (one: unknown) => (clear ? inClear(property, one) : one)
      return [property, test.op === 'value' ? value(test.values[0]) : buildTest(test, value)]
    }),
  )
}

export function buildOrder(order: Order): Record<string, unknown> {
  return Object.fromEntries(order)
}

function buildTest(test: Test, value: (one: unknown) => unknown): Operator {
  if (test.op === 'null') return IsNull()
  if ('parts' in test) {
    const parts = test.parts.map((part) => buildTest(part, value))
    if (test.op === 'not') return Not(parts[0])
    return test.op === 'and' ? And(...parts) : Or(...parts)
  }
  const values = test.values.map(value)
  if (test.op === 'in') return In(values)
  if (test.op === 'between') return Between(values[0], values[1])
  return COMPARISONS[test.op === 'value' ? '=' : test.op](values[0])
}
