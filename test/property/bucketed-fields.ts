import fc from 'fast-check'
import type { RangeOption } from '../../src/blind-index/bucket'
import { compareValues } from '../../src/blind-index/value-order'
import type { ValueType } from '../../src/envelope/value-type'

/** A type with the ranges it may declare and the values it may hold. */
interface BucketedField {
  readonly type: ValueType
  readonly range: fc.Arbitrary<RangeOption>
  readonly value: fc.Arbitrary<unknown>
}

const number = fc.oneof(
  fc.constantFrom(0, -0, 5e-324, -5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 0.1, 0.3, 0.29),
  fc.integer({ min: -200, max: 200 }),
  fc.integer({ min: -200, max: 200 }).map((value) => value / 10),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)

const numberStep = fc
  .oneof(
    fc.constantFrom(10, 0.1, 5e-324, Number.MIN_VALUE * 3, 1e308, Number.MAX_VALUE),
    fc.double({ min: 0, minExcluded: true, noNaN: true, noDefaultInfinity: true }),
  )
  .map((step) => ({ step }))

const bigint = fc.oneof(
  fc.bigInt({ min: -50n, max: 50n }),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
)

const timestamp = fc.oneof(
  fc.date({ min: new Date('-004712-01-01T00:00:00Z'), noInvalidDate: true }),
  fc.date({
    min: new Date('1999-12-30T00:00:00Z'),
    max: new Date('2000-01-03T00:00:00Z'),
    noInvalidDate: true,
  }),
  fc.date({
    min: new Date('-000001-12-01T00:00:00Z'),
    max: new Date('0001-02-01T00:00:00Z'),
    noInvalidDate: true,
  }),
)

const date = fc
  .date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T00:00:00Z'),
    noInvalidDate: true,
  })
  .map((day) => day.toISOString().slice(0, 10))

const string = fc.string({
  unit: fc.oneof(
    fc.constantFrom('a', 'b', 'Z', 'é', '\ud7ff', '\uff01', '\u{1f600}', '\u{10ffff}'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((unit) => unit !== '\0'),
  ),
  maxLength: 8,
})

function edgesOf<T>(type: ValueType, value: fc.Arbitrary<T>): fc.Arbitrary<RangeOption> {
  return fc
    .array(value, { minLength: 1, maxLength: 8 })
    .map((edges) => edges.sort((a, b) => compareValues(type, a, b)))
    .map((edges) =>
      edges.filter((edge, at) => at === 0 || compareValues(type, edges[at - 1], edge) < 0),
    )
    .map((edges) => ({ edges }) as RangeOption)
}

function truncateTo<T extends 'year' | 'month' | 'day' | 'hour'>(...units: T[]) {
  return fc.constantFrom(...units).map((truncate) => ({ truncate }))
}

/** Every (type, range) that may be declared. */
export const bucketedFields: Record<string, BucketedField> = {
  'number by step': { type: 'number', range: numberStep, value: number },
  'number by decimals': {
    type: 'number',
    range: fc.integer({ min: 0, max: 15 }).map((decimals) => ({ decimals })),
    value: number,
  },
  'number by edges': { type: 'number', range: edgesOf('number', number), value: number },
  'bigint by step': {
    type: 'bigint',
    range: fc.bigInt({ min: 1n, max: 2n ** 90n }).map((step) => ({ step })),
    value: bigint,
  },
  'bigint by edges': { type: 'bigint', range: edgesOf('bigint', bigint), value: bigint },
  'timestamp by truncate': {
    type: 'timestamp',
    range: truncateTo('year', 'month', 'day', 'hour'),
    value: timestamp,
  },
  'timestamp by edges': {
    type: 'timestamp',
    range: edgesOf('timestamp', timestamp),
    value: timestamp,
  },
  'date by truncate': { type: 'date', range: truncateTo('year', 'month', 'day'), value: date },
  'date by edges': { type: 'date', range: edgesOf('date', date), value: date },
  'string by prefix': {
    type: 'string',
    range: fc.integer({ min: 1, max: 4 }).map((prefix) => ({ prefix })),
    value: string,
  },
  'string by edges': { type: 'string', range: edgesOf('string', string), value: string },
}
