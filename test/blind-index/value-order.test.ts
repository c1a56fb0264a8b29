import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareCodePoints, compareValues } from '../../src/blind-index/value-order'
import type { ValueType } from '../../src/envelope/value-type'

describe('compareValues', () => {
  it.each<[ValueType, unknown, unknown]>([
    ['string', 'a', 'b'],
    ['string', 'Z', 'a'],
    ['string', 'a', 'aa'],
    ['string', '', 'a'],
    ['string', '\uffff', '\u{10000}'],
    ['string', 'x\uff01', 'x\u{1f600}'],
    ['number', -Number.MAX_VALUE, Number.MAX_VALUE],
    ['number', 0, 5e-324],
    ['number', 2, 10],
    ['bigint', -1n, 0n],
    ['bigint', 2n ** 64n, 2n ** 64n + 1n],
    ['boolean', false, true],
    ['timestamp', new Date(-1), new Date(0)],
    ['timestamp', new Date(-8.64e15), new Date(8.64e15)],
    ['date', '0999-12-31', '1000-01-01'],
    ['bytes', Buffer.of(1, 2), Buffer.of(1, 2, 0)],
    ['bytes', Buffer.of(0x7f), Buffer.of(0x80)],
  ])('puts the first %s before the second', (type, low, high) => {
    expect(compareValues(type, low, high)).toBeLessThan(0)
    expect(compareValues(type, high, low)).toBeGreaterThan(0)
    expect(compareValues(type, low, low)).toBe(0)
  })

  it('holds -0 and 0 for equal', () => {
    expect(compareValues('number', -0, 0)).toBe(0)
  })

  it('has no order for json', () => {
    expect(() => compareValues('json', 1, 2)).toThrow(TypeError)
  })
})

describe('compareCodePoints', () => {
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom('a', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    maxLength: 6,
  })

  it('is the byte order of UTF-8', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b))
        expect(Math.sign(compareCodePoints(a, b))).toBe(bytes)
      }),
      { numRuns: process.env.SLOW === '1' ? 100_000 : 1_000 },
    )
  })
})
