import { describe, expect, it } from 'vitest'
import { createBucketing, type RangeOption } from '../../src/blind-index/bucket'
import type { Bucket } from '../../src/blind-index/bucketing'
import type { ValueType } from '../../src/envelope/value-type'

const FIELD = 'Patient.income'

function bucketOf(type: ValueType, range: RangeOption, value: unknown): Bucket {
  return createBucketing(type, range, FIELD).bucketOf(value)
}

const invalid = (message: unknown = expect.stringContaining(FIELD)) =>
  expect.objectContaining({ code: 'ERR_FIELD_INVALID', field: FIELD, message })

describe('what the column is and what the key store keeps', () => {
  it.each<[ValueType, RangeOption, string, string, string | null]>([
    ['number', { step: 10_000 }, 'step:10000', 'double precision', null],
    ['number', { step: 0.5 }, 'step:0.5', 'double precision', null],
    ['number', { step: 1e21 }, 'step:1e+21', 'double precision', null],
    ['bigint', { step: 10_000n }, 'step:10000', 'numeric', null],
    ['number', { decimals: 2 }, 'decimals:2', 'double precision', null],
    ['timestamp', { truncate: 'hour' }, 'truncate:hour', 'timestamp with time zone', null],
    ['date', { truncate: 'month' }, 'truncate:month', 'date', null],
    ['string', { prefix: 3 }, 'prefix:3', 'text', 'C'],
    ['number', { edges: [-0, 10.5] }, 'edges:[0,10.5]', 'integer', null],
    ['bigint', { edges: [1n, 2n ** 64n] }, 'edges:["1","18446744073709551616"]', 'integer', null],
    ['string', { edges: ['M', '\0"'].sort() }, 'edges:["\\u0000\\"","M"]', 'integer', null],
    ['date', { edges: ['2000-02-29'] }, 'edges:["2000-02-29"]', 'integer', null],
    ['timestamp', { edges: [new Date(0)] }, 'edges:["1970-01-01T00:00:00.000Z"]', 'integer', null],
  ])('%s by %o is %s', (type, range, parameters, columnType, collation) => {
    const bucketing = createBucketing(type, range, FIELD)
    expect(bucketing).toMatchObject({ parameters, columnType, collation })
  })
})

describe('step', () => {
  it.each<[number, number, number]>([
    [52_340, 10_000, 50_000],
    [50_000, 10_000, 50_000],
    [-1, 10_000, -10_000],
    [-0.1, 0.5, -0.5],
    [5e-324, 10_000, 0],
    [-5e-324, 10_000, 0],
    [-1e-300, 10_000, -10_000],
    [1e308, 1e-10, Number.POSITIVE_INFINITY],
    [-Number.MAX_VALUE, 1e308, Number.NEGATIVE_INFINITY],
    [Number.MAX_VALUE, Number.MAX_VALUE, Number.MAX_VALUE],
  ])('of %d by %d is %d', (value, step, expected) => {
    expect(bucketOf('number', { step }, value)).toBe(expected)
  })

  it('never gives -0', () => {
    expect(bucketOf('number', { step: 10 }, -0)).toBe(0)
    expect(bucketOf('number', { decimals: 2 }, -0)).toBe(0)
  })

  it.each<[bigint, bigint, string]>([
    [52_340n, 10_000n, '50000'],
    [-1n, 10_000n, '-10000'],
    [-10_000n, 10_000n, '-10000'],
    [0n, 7n, '0'],
    [2n ** 70n + 5n, 16n, (2n ** 70n).toString()],
  ])('of %d by %d is %s', (value, step, expected) => {
    expect(bucketOf('bigint', { step }, value)).toBe(expected)
  })

  it('orders decimal text as numbers', () => {
    const { compare } = createBucketing('bigint', { step: 10n }, FIELD)
    expect(compare('90', '100')).toBeLessThan(0)
    expect(compare('-100', '-90')).toBeLessThan(0)
    expect(compare('10', '10')).toBe(0)
  })

  it('refuses a bigint that `numeric` cannot hold, without quoting it', () => {
    const { bucketOf } = createBucketing('bigint', { step: 10n }, FIELD)
    expect(String(bucketOf(-(10n ** 131_071n)))).toHaveLength(131_073)
    expect(() => bucketOf(10n ** 131_072n)).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE_INVALID', field: FIELD }),
    )
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 10n, '10'])(
    'of a number cannot be %s',
    (step) => {
      expect(() => createBucketing('number', { step } as never, FIELD)).toThrow(invalid())
    },
  )

  it.each([0n, -1n, 10])('of a bigint cannot be %s', (step) => {
    expect(() => createBucketing('bigint', { step }, FIELD)).toThrow(invalid())
  })
})

describe('decimals', () => {
  it.each<[number, number, number]>([
    [51.507_351, 2, 51.5],
    [-0.127_758, 2, -0.13],
    [3.9, 0, 3],
    [0.1, 15, 0.1],
    [1e300, 15, Number.POSITIVE_INFINITY],
  ])('of %d to %d is %d', (value, decimals, expected) => {
    expect(bucketOf('number', { decimals }, value)).toBe(expected)
  })

  it.each([-1, 16, 1.5, '2'])('cannot be %s', (decimals) => {
    expect(() => createBucketing('number', { decimals } as never, FIELD)).toThrow(invalid())
  })
})

describe('truncate', () => {
  it.each([
    ['year', '1815-01-01'],
    ['month', '1815-12-01'],
    ['day', '1815-12-10'],
  ] as const)('of a date to its %s is %s', (truncate, expected) => {
    expect(bucketOf('date', { truncate }, '1815-12-10')).toBe(expected)
  })

  it.each([
    ['year', '1815-01-01 00:00:00+00'],
    ['month', '1815-12-01 00:00:00+00'],
    ['day', '1815-12-10 00:00:00+00'],
    ['hour', '1815-12-10 23:00:00+00'],
  ] as const)('of an instant to its UTC %s is %s', (truncate, expected) => {
    const instant = new Date('1815-12-10T23:59:59.999Z')
    expect(bucketOf('timestamp', { truncate }, instant)).toBe(expected)
  })

  it.each([
    ['+275760-09-13T00:00:00.000Z', '275760-09-13 00:00:00+00'],
    ['0099-03-02T10:00:00.000Z', '0099-03-02 00:00:00+00'],
    ['0001-01-01T00:00:00.000Z', '0001-01-01 00:00:00+00'],
    ['0000-12-31T23:00:00.000Z', '0001-12-31 00:00:00+00 BC'],
    ['-000043-03-15T12:00:00.000Z', '0044-03-15 00:00:00+00 BC'],
    ['-004712-01-01T00:00:00.000Z', '4713-01-01 00:00:00+00 BC'],
  ])('writes the day of %s as PostgreSQL reads it', (instant, expected) => {
    expect(bucketOf('timestamp', { truncate: 'day' }, new Date(instant))).toBe(expected)
  })

  it('refuses instants before the first year of PostgreSQL', () => {
    const { bucketOf } = createBucketing('timestamp', { truncate: 'year' }, FIELD)
    expect(() => bucketOf(new Date('-004713-12-31T23:59:59.999Z'))).toThrow(
      expect.objectContaining({
        code: 'ERR_VALUE_INVALID',
        field: FIELD,
        message: expect.stringContaining('4713 BC'),
      }),
    )
  })

  it('orders its texts as instants, across eras and years of any length', () => {
    const { compare } = createBucketing('timestamp', { truncate: 'hour' }, FIELD)
    const rising = [
      '4713-01-01 00:00:00+00 BC',
      '0044-03-15 00:00:00+00 BC',
      '0044-12-31 23:00:00+00 BC',
      '0001-12-31 23:00:00+00 BC',
      '0001-01-01 00:00:00+00',
      '1999-12-31 23:00:00+00',
      '2000-01-01 00:00:00+00',
      '275760-09-13 00:00:00+00',
    ]
    expect([...rising].reverse().sort(compare)).toEqual(rising)
  })

  it('does not guess at texts that are no bucket', () => {
    const { compare } = createBucketing('timestamp', { truncate: 'hour' }, FIELD)
    expect(() => compare('yesterday', '2000-01-01 00:00:00+00')).toThrow(TypeError)
  })

  it.each([
    ['date', 'hour'],
    ['date', 'quarter'],
    ['timestamp', 'minute'],
    ['timestamp', undefined],
  ] as const)('of a %s cannot be to its %s', (type, truncate) => {
    expect(() => createBucketing(type, { truncate } as never, FIELD)).toThrow(invalid())
  })
})

describe('edges', () => {
  it.each<[ValueType, RangeOption, unknown, number]>([
    ['number', { edges: [18, 65] }, 17.999, 0],
    ['number', { edges: [18, 65] }, 18, 1],
    ['number', { edges: [18, 65] }, 64, 1],
    ['number', { edges: [18, 65] }, 65, 2],
    ['number', { edges: [0] }, -0, 1],
    ['bigint', { edges: [10n, 2n ** 65n] }, 2n ** 65n - 1n, 1],
    ['date', { edges: ['2000-01-01'] }, '1999-12-31', 0],
    ['timestamp', { edges: [new Date(0)] }, new Date(0), 1],
    ['string', { edges: ['H', 'P'] }, 'Lovelace', 1],
    ['string', { edges: ['\uff01', '\u{1f600}'] }, '\uffff', 1],
  ])('of a %s %o put %s in bucket %d', (type, range, value, expected) => {
    expect(bucketOf(type, range, value)).toBe(expected)
  })

  it('do not follow later changes of the declaration', () => {
    const edge = new Date(1000)
    const edges = [edge]
    const { bucketOf } = createBucketing('timestamp', { edges }, FIELD)
    edge.setTime(0)
    edges.push(new Date(1))
    expect(bucketOf(new Date(500))).toBe(0)
  })

  it.each<[string, ValueType, unknown]>([
    ['none', 'number', []],
    ['no array', 'number', 18],
    ['equal ones', 'number', [1, 1]],
    ['-0 and 0', 'number', [-0, 0]],
    ['falling ones', 'bigint', [2n, 1n]],
    ['another type', 'number', [1, 2n]],
    ['NaN', 'number', [Number.NaN]],
    ['a date that is none', 'date', ['2001-02-29']],
    ['an invalid Date', 'timestamp', [new Date(Number.NaN)]],
    ['code unit order', 'string', ['\u{1f600}', '\uff01']],
    ['a lone surrogate', 'string', ['\ud800']],
  ])('cannot be %s', (_, type, edges) => {
    expect(() => createBucketing(type, { edges } as never, FIELD)).toThrow(invalid())
  })
})

describe('prefix', () => {
  it.each<[string, number, string]>([
    ['Lovelace', 3, 'Lov'],
    ['Ad', 3, 'Ad'],
    ['', 1, ''],
    ['\u{1f600}\u{1f601}x', 2, '\u{1f600}\u{1f601}'],
    ['e\u0301x', 1, 'e'],
    ['abc\0', 3, 'abc'],
  ])('of %j in %d code points is %j', (value, prefix, expected) => {
    expect(bucketOf('string', { prefix }, value)).toBe(expected)
  })

  it('orders by code point', () => {
    const { compare } = createBucketing('string', { prefix: 1 }, FIELD)
    expect(compare('\uff01', '\u{1f600}')).toBeLessThan(0)
    expect(compare('Z', 'a')).toBeLessThan(0)
  })

  it('refuses U+0000 inside it', () => {
    expect(() => bucketOf('string', { prefix: 3 }, 'ab\0')).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE_INVALID', field: FIELD }),
    )
  })

  it.each([0, 257, 1.5, '3'])('cannot be %s', (prefix) => {
    expect(() => createBucketing('string', { prefix } as never, FIELD)).toThrow(invalid())
  })
})

describe('createBucketing', () => {
  it.each<[ValueType, RangeOption, string]>([
    ['string', { step: 10 }, 'use edges or prefix'],
    ['number', { prefix: 3 }, 'use step or decimals or edges'],
    ['bigint', { decimals: 2 }, 'use step or edges'],
    ['timestamp', { step: 10 }, 'use truncate or edges'],
    ['boolean', { step: 10 }, 'leave the range index out'],
    ['bytes', { prefix: 3 }, 'leave the range index out'],
    ['json', { edges: [1] }, 'leave the range index out'],
  ])('refuses %s by %o and says what fits', (type, range, fix) => {
    expect(() => createBucketing(type, range, FIELD)).toThrow(invalid(expect.stringContaining(fix)))
  })

  it.each([
    ['two kinds', { step: 10, decimals: 2 }],
    ['no kind', {}],
    ['an unknown kind', { steps: 10 }],
    ['an inherited name', { toString: 10 }],
    ['null', null],
    ['a number', 10],
  ])('refuses %s', (_, range) => {
    expect(() => createBucketing('number', range as never, FIELD)).toThrow(
      invalid(expect.stringContaining('exactly one of')),
    )
  })

  it.each<[ValueType, RangeOption, unknown]>([
    ['number', { step: 10 }, '5'],
    ['number', { step: 10 }, Number.POSITIVE_INFINITY],
    ['number', { step: 10 }, null],
    ['bigint', { step: 10n }, 5],
    ['date', { truncate: 'month' }, '2001-02-29'],
    ['timestamp', { truncate: 'day' }, '2001-02-28'],
    ['string', { prefix: 2 }, '\ud800'],
    ['string', { edges: ['a'] }, undefined],
  ])('gives no bucket of a %s by %o to another value', (type, range, value) => {
    expect(() => bucketOf(type, range, value)).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE_INVALID', field: FIELD }),
    )
  })
})

describe('a value begins its bucket', () => {
  const date = (text: string) => new Date(text)
  it.each<[ValueType, RangeOption, unknown, unknown]>([
    ['number', { step: 10_000 }, 40_000, 40_000.5],
    ['number', { step: 0.5 }, -0, 5e-324],
    ['number', { step: 0.5 }, -1.5, -1.25],
    ['number', { decimals: 2 }, 0.25, 0.255],
    ['bigint', { step: 10n }, -20n, -19n],
    ['date', { truncate: 'month' }, '1990-05-01', '1990-05-02'],
    ['date', { truncate: 'year' }, '1990-01-01', '1990-02-01'],
    [
      'timestamp',
      { truncate: 'hour' },
      date('1969-12-31T23:00Z'),
      date('1969-12-31T23:00:00.001Z'),
    ],
    ['timestamp', { truncate: 'day' }, date('1990-05-02'), date('1990-05-02T01:00Z')],
    ['timestamp', { truncate: 'year' }, date('1990-01-01'), date('1990-02-01')],
    ['string', { prefix: 2 }, 'ab', 'abc'],
    ['string', { prefix: 2 }, '', 'ab\u0301'],
    ['string', { edges: ['g', 'n'] }, 'n', 'na'],
    ['number', { edges: [18, 65] }, 65, 0],
  ])('%s by %o: %o does, %o does not', (type, range, first, later) => {
    const { begins } = createBucketing(type, range, FIELD)
    expect([begins(first), begins(later)]).toEqual([true, false])
  })

  it('not where rounding puts a smaller double beside it, though the bucket has its name', () => {
    const { begins, bucketOf } = createBucketing('number', { step: 0.1 }, FIELD)
    expect(bucketOf(-125)).toBe(-125)
    expect(bucketOf(-125.00000000000001)).toBe(-125)
    expect(begins(-125)).toBe(false)
    // The smallest doubles below 0 share its bucket.
    expect(createBucketing('number', { step: 10 }, FIELD).begins(0)).toBe(false)
  })
})
