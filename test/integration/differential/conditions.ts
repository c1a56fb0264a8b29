import {
  And,
  Between,
  Equal,
  type FindOperator,
  In,
  IsNull,
  LessThan,
  LessThanOrEqual,
  Like,
  MoreThan,
  MoreThanOrEqual,
  Not,
  Or,
} from 'typeorm'
import type { Random } from './random'
import {
  drawAsked,
  knowsEquality,
  knowsExactly,
  knowsOrder,
  knowsPrefix,
  type Property,
} from './values'

/** A condition on one property, as data. */
export type Test =
  | { readonly op: 'null' }
  | {
      readonly op: 'value' | 'in' | 'between' | 'like' | Comparison
      readonly values: readonly unknown[]
    }
  | { readonly op: 'not' | 'and' | 'or'; readonly parts: readonly Test[] }

export type Comparison = '=' | '<' | '<=' | '>' | '>='

const COMPARISONS: Readonly<Record<Comparison, (value: unknown) => FindOperator<unknown>>> = {
  '=': Equal,
  '<': LessThan,
  '<=': LessThanOrEqual,
  '>': MoreThan,
  '>=': MoreThanOrEqual,
}
const PREFIXES = ['A%', 'Ab%', 'Abr%', 'Ç%', '\u{1f600}%', 'a%', 'x%']

/** Some questions go beyond what is declared: they must be refused. */
export function isBeyond(random: Random, { sealed }: Property): boolean {
  return sealed !== undefined && random.chance(0.01)
}

/** By path, joined by AND. */
export type Tests = Readonly<Record<string, Test>>

export function drawTests(
  random: Random,
  paths: ReadonlyMap<string, Property>,
  most: number,
  exactly = false,
): Tests {
  const askable = [...paths].filter(
    ([, property]) => (exactly ? knowsExactly : knowsNull)(property) || isBeyond(random, property),
  )
  return Object.fromEntries(
    random
      .some(askable, most)
      .map(([path, property]) => [path, drawTest(random, property, exactly)]),
  )
}

/** Every property may be asked whether it is NULL. */
const knowsNull = () => true

export function drawTest(random: Random, property: Property, exactly = false, depth = 2): Test {
  const value = () => drawAsked(random, property)
  const equality = (exactly ? knowsExactly : knowsEquality)(property) || isBeyond(random, property)
  const order =
    (!exactly && knowsOrder(property) && property.type !== 'boolean') || isBeyond(random, property)
  const op = random.weighted({
    null: 1,
    value: equality ? 3 : 0,
    '=': equality ? 1 : 0,
    in: equality ? 2 : 0,
    compare: order ? 5 : 0,
    between: order ? 2 : 0,
    like: !exactly && knowsPrefix(property) ? 2 : 0,
    combined: depth > 0 ? 2 : 0,
  })
  if (op === 'null') return { op }
  if (op === 'combined') {
    const kind = random.pick(['not', 'and', 'or'] as const)
    const [low, high] = kind === 'not' ? [1, 1] : [1, 3]
    return {
      op: kind,
      parts: random.times(low, high, () => drawTest(random, property, exactly, depth - 1)),
    }
  }
  if (op === 'compare')
    return { op: random.pick(['<', '<=', '>', '>='] as const), values: [value()] }
  if (op === 'like') return { op, values: [random.pick(PREFIXES)] }
  if (op === 'between') return { op, values: [value(), value()] }
  return { op, values: op === 'in' ? random.times(0, 4, value) : [value()] }
}

/** The condition as find options and object conditions take it. */
export function buildTest(test: Test, stored: (value: unknown) => unknown): unknown {
  return test.op === 'value' ? stored(test.values[0]) : operatorOf(test, stored)
}

function operatorOf(test: Test, stored: (value: unknown) => unknown): FindOperator<unknown> {
  if (test.op === 'null') return IsNull()
  if ('parts' in test) {
    const parts = test.parts.map((part) => operatorOf(part, stored))
    if (test.op === 'not') return Not(parts[0])
    return test.op === 'and' ? And(...parts) : Or(...parts)
  }
  const values = test.values.map(stored)
  if (test.op === 'in') return In(values)
  if (test.op === 'between') return Between(values[0], values[1])
  if (test.op === 'like') return Like(values[0])
  return COMPARISONS[test.op === 'value' ? '=' : test.op](values[0])
}

/** Nests `box.p1` as TypeORM expects it. */
export function nested(flat: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [path, value] of Object.entries(flat)) {
    const [first, second] = path.split('.') as [string, string?]
    if (second === undefined) result[first] = value
    else result[first] = { ...(result[first] as object), [second]: value }
  }
  return result
}
