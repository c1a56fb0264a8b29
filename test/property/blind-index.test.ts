import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBucketing, type RangeOption } from '../../src/blind-index/bucket'
import { type NormalizerName, resolveNormalizer } from '../../src/blind-index/normalize'
import { encodeForToken, tokenOf } from '../../src/blind-index/token'
import { compareValues } from '../../src/blind-index/value-order'
import { secretKey } from '../../src/crypto/secret-key'
import type { ValueType } from '../../src/envelope/value-type'
import { bucketedFields } from './bucketed-fields'

const RUNS = { numRuns: process.env.SLOW === '1' ? 20_000 : 500 }
const FIELD = 'Patient.value'

describe.each(Object.entries(bucketedFields))('buckets of %s', (_, { type, range, value }) => {
  it('rise with the values', () => {
    fc.assert(
      fc.property(range, value, value, (option, a, b) => {
        const { bucketOf, compare } = createBucketing(type, option, FIELD)
        const [low, high] = compareValues(type, a, b) <= 0 ? [a, b] : [b, a]
        expect(compare(bucketOf(low), bucketOf(high))).toBeLessThanOrEqual(0)
        if (compareValues(type, a, b) === 0) expect(bucketOf(a)).toBe(bucketOf(b))
      }),
      RUNS,
    )
  })

  it('answer every comparison with a superset whose inner buckets are exact', () => {
    fc.assert(
      fc.property(range, value, fc.array(value, { maxLength: 20 }), (option, bound, values) => {
        const { bucketOf, compare, begins } = createBucketing(type, option, FIELD)
        for (const candidate of values) {
          const order = compareValues(type, candidate, bound)
          const bucketOrder = compare(bucketOf(candidate), bucketOf(bound))
          expect(bucketOrder).not.toBeNaN()
          if (order > 0) expect(bucketOrder).toBeGreaterThanOrEqual(0)
          if (order < 0) expect(bucketOrder).toBeLessThanOrEqual(0)
          if (bucketOrder > 0) expect(order).toBeGreaterThan(0)
          if (bucketOrder < 0) expect(order).toBeLessThan(0)
          if (bucketOrder === 0 && begins(bound)) expect(order).toBeGreaterThanOrEqual(0)
          if (bucketOrder === 0 && begins(candidate)) expect(order).toBeLessThanOrEqual(0)
        }
      }),
      RUNS,
    )
  })

  it('depend on the declared parameters and the value alone', () => {
    fc.assert(
      fc.property(range, value, (option, given) => {
        const one = createBucketing(type, option, FIELD)
        const other = createBucketing(type, option, 'Other.field')
        expect(other.parameters).toBe(one.parameters)
        expect(other.bucketOf(given)).toBe(one.bucketOf(given))
        expect(one.bucketOf(given)).not.toBeNaN()
      }),
      RUNS,
    )
  })
})

describe('range parameters', () => {
  it('have equal texts only for equal declarations', () => {
    for (const { type, range } of Object.values(bucketedFields)) {
      fc.assert(
        fc.property(range, range, (a, b) => {
          const equal = parameters(type, a) === parameters(type, b)
          expect(equal).toBe(canonical(a) === canonical(b))
        }),
        RUNS,
      )
    }
  })

  function parameters(type: ValueType, range: RangeOption): string {
    return createBucketing(type, range, FIELD).parameters
  }

  function canonical(range: RangeOption): string {
    return JSON.stringify(range, (_, part) => (typeof part === 'bigint' ? `${part}` : part))
  }
})

describe('tokens', () => {
  const key = { key: secretKey(Buffer.alloc(32, 3)), generation: 1, bits: 128 }
  const names: (NormalizerName | undefined)[] = [
    undefined,
    'email',
    'lowercase',
    'trim',
    'nfc',
    'digits',
  ]
  /** Few letters, so that many pairs are equal after some normaliser and not before. */
  const text = fc.string({
    unit: fc.constantFrom('a', 'A', ' ', '1', '@', '.', 'é', 'e\u0301', 'ß', 'ü'),
    maxLength: 4,
  })

  it.each(names)('are equal exactly where the values normalised by %s are', (name) => {
    const normalizer = resolveNormalizer(name, FIELD)
    const token = (value: string) =>
      tokenOf(key, encodeForToken('string', value, normalizer, FIELD))
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [x, y] = [tryNormalize(a), tryNormalize(b)]
        fc.pre(x !== null && y !== null)
        expect(token(a).equals(token(b))).toBe(x === y)
      }),
      RUNS,
    )

    /** `email` refuses domains without an ASCII form. */
    function tryNormalize(value: string): string | null {
      try {
        return normalizer.normalize(value)
      } catch {
        return null
      }
    }
  })

  it('of numbers are equal exactly where the numbers are', () => {
    const none = resolveNormalizer(undefined, FIELD)
    const token = (value: number) => tokenOf(key, encodeForToken('number', value, none, FIELD))
    const number = fc.oneof(
      fc.constantFrom(0, -0, 1, 5e-324),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    )
    fc.assert(
      fc.property(number, number, (a, b) => {
        expect(token(a).equals(token(b))).toBe(a === b)
      }),
      RUNS,
    )
  })

  it('are cut, never changed, by fewer bits', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 8, max: 128 }), (encoded, bits) => {
        const full = tokenOf(key, encoded)
        const cut = tokenOf({ ...key, bits }, encoded)
        const unused = cut.length * 8 - 8 - bits
        expect(cut.subarray(0, -1)).toEqual(full.subarray(0, cut.length - 1))
        expect(cut.at(-1)).toBe((full[cut.length - 1]! >> unused) << unused)
      }),
      RUNS,
    )
  })
})
