import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeValue, encodeValue } from '../../src/envelope/codec'
import { fromText, toText } from '../../src/envelope/format'
import { inspectEnvelope } from '../../src/envelope/inspect'
import { createOpener } from '../../src/envelope/open'
import { rewrapEnvelope } from '../../src/envelope/rewrap'
import { encodeRowId } from '../../src/envelope/row-id'
import { type SealInput, sealRecord } from '../../src/envelope/seal'
import { VALUE_TYPES, type ValueType } from '../../src/envelope/value-type'
import { isMortiseError } from '../../src/errors'
import { keysOf, testField, testKey } from '../envelope/keys'
import { VALUES } from './values'

const slow = process.env.SLOW === '1'
const numRuns = slow ? 5000 : 200
const [key, next] = [testKey('a'), testKey('b')]

/** What comes out: JSON writes -0 as 0, everything else comes out as it went in. */
const expected = (type: ValueType, value: unknown) =>
  type === 'json' ? JSON.parse(JSON.stringify(value)) : value

const sealed = fc
  .record({
    type: fc.constantFrom(...VALUE_TYPES),
    rowBound: fc.boolean(),
    pad: fc.constantFrom(null, 1, 16, 64),
    row: fc.oneof(fc.uuid(), fc.maxSafeInteger(), fc.string({ unit: 'binary', maxLength: 20 })),
  })
  .chain(({ type, rowBound, pad, row }) =>
    VALUES[type].map((value) => {
      const field = testField({ type, rowBound, pad })
      const rowId = encodeRowId(typeof row === 'number' ? 'integer' : 'text', row)
      const encoded = encodeValue(type, value, 'f')
      return { field, rowId, value: expected(type, value), encoded }
    }),
  )

/** The value, or undefined for a refusal; any other error fails the test. */
function attempt(open: () => unknown): unknown {
  try {
    return open()
  } catch (error) {
    if (isMortiseError(error)) return undefined
    throw error
  }
}

describe.each(VALUE_TYPES)('every %s', (type) => {
  test('comes out as it went in, in one encoding', () => {
    fc.assert(
      fc.property(VALUES[type], (value) => {
        const encoded = encodeValue(type, value, 'f')
        const decoded = decodeValue(type, encoded)
        expect(decoded).toStrictEqual(expected(type, value))
        expect(encodeValue(type, decoded, 'f')).toEqual(encoded)
      }),
      { numRuns },
    )
  })

  test('decodes only from what encoding it gives back', () => {
    const bytes = fc.uint8Array({ maxLength: 24 })
    fc.assert(
      fc.property(bytes, (value) => {
        const encoded = Buffer.concat([encodeValue(type, sample(type), 'f').subarray(0, 1), value])
        const decoded = decodeValue(type, encoded)
        if (decoded !== undefined) expect(encodeValue(type, decoded, 'f')).toEqual(encoded)
      }),
      { numRuns: numRuns * 5 },
    )
  })
})

const sample = (type: ValueType) => fc.sample(VALUES[type], { numRuns: 1, seed: 1 })[0]

describe('every envelope', () => {
  test('opens as bytes, as text and after a rewrap', () => {
    fc.assert(
      fc.property(sealed, ({ field, rowId, value, encoded }) => {
        const envelope = sealRecord(key, [{ field, encoded, rowId }])[0]!
        const moved = rewrapEnvelope(fromText(toText(envelope)), key, next)
        expect(createOpener(keysOf(key)).open(envelope, field, rowId)).toStrictEqual(value)
        expect(createOpener(keysOf(next)).open(moved, field, rowId)).toStrictEqual(value)
        expect(inspectEnvelope(moved).flags).toMatchObject({
          rowBound: field.rowBound,
          padded: field.pad !== null,
        })
      }),
      { numRuns },
    )
  })

  test('with any one bit changed opens to nothing', () => {
    fc.assert(
      fc.property(sealed, fc.nat(), ({ field, rowId, encoded }, position) => {
        const envelope = sealRecord(key, [{ field, encoded, rowId }])[0]!
        const bit = position % (envelope.length * 8)
        envelope[bit >> 3]! ^= 1 << (bit & 7)
        const opener = createOpener(keysOf(key))
        expect(attempt(() => opener.open(envelope, field, rowId))).toBeUndefined()
      }),
      { numRuns: numRuns * 5 },
    )
  })

  test('cut at any length, or in two, opens to nothing', () => {
    fc.assert(
      fc.property(sealed, ({ field, rowId, encoded }) => {
        const envelope = sealRecord(key, [{ field, encoded, rowId }])[0]!
        const opener = createOpener(keysOf(key))
        for (let length = 0; length < envelope.length; length++) {
          const parts = [envelope.subarray(0, length), envelope.subarray(envelope.length - length)]
          for (const part of parts) {
            expect(attempt(() => opener.open(part, field, rowId))).toBeUndefined()
          }
        }
      }),
      { numRuns: slow ? 200 : 10 },
    )
  })

  test('opens in its own field, domain and row alone', () => {
    const other = fc.constantFrom('fieldId', 'domain', 'type', 'rowBound', 'row')
    fc.assert(
      fc.property(sealed, other, ({ field, rowId, encoded }, what) => {
        const envelope = sealRecord(key, [{ field, encoded, rowId }])[0]!
        const { type, rowBound, pad } = field
        const changed = {
          fieldId: testField({ type, rowBound, pad, fieldId: 'person.other' }),
          domain: testField({ type, rowBound, pad, domain: 'other' }),
          type: testField({ rowBound, pad, type: type === 'bytes' ? 'string' : 'bytes' }),
          rowBound: testField({ type, pad, rowBound: !rowBound }),
          row: field,
        }[what]
        fc.pre(what !== 'row' || rowBound)
        const row = what === 'row' ? Buffer.concat([rowId, Buffer.of(0)]) : rowId
        const opener = createOpener(keysOf(key))
        expect(opener.open(envelope, field, rowId)).toBeDefined()
        expect(attempt(() => opener.open(envelope, changed, row))).toBeUndefined()
      }),
      { numRuns },
    )
  })

  test('of random bytes opens to nothing, and never to another error', () => {
    const head = fc.constantFrom([], [0xe1], [0xe1, 0], [0xe1, 3], [0xe1, 8, ...key.idBytes])
    const bytes = fc.tuple(head, fc.uint8Array({ maxLength: 200 }))
    const opener = createOpener(keysOf(key))
    fc.assert(
      fc.property(bytes, fc.boolean(), ([start, rest], rowBound) => {
        const envelope = Buffer.from([...start, ...rest])
        const field = testField({ rowBound })
        expect(attempt(() => opener.open(envelope, field, Buffer.of(1)))).toBeUndefined()
        attempt(() => inspectEnvelope(envelope))
        attempt(() => inspectEnvelope(rest.toString()))
      }),
      { numRuns: numRuns * 5 },
    )
  })
})

test('100,000 records have 100,000 DEKs', { timeout: 60_000 }, () => {
  const input: SealInput = { field: testField(), encoded: encodeValue('string', 'Ada', 'f') }
  const keyBlocks = new Set<string>()
  for (let count = 0; count < 100_000; count++) {
    keyBlocks.add(sealRecord(key, [input])[0]!.toString('latin1', 10, 50))
  }
  expect(keyBlocks.size).toBe(100_000)
})
