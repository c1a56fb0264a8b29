import { describe, expect, test } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { MAX_CIPHERTEXT_BYTES } from '../../src/envelope/format'
import { createOpener } from '../../src/envelope/open'
import { encodeRowId } from '../../src/envelope/row-id'
import { sealRecord } from '../../src/envelope/seal'
import { keysOf, refusal, testField, testKey } from './keys'

const key = testKey('a')
const text = (value: string) => encodeValue('string', value, 'f')
const ada = { field: testField(), encoded: text('Ada') }

describe('one record', () => {
  test('shares key id, wrapped DEK and commitment, and nothing else', () => {
    const other = { field: testField({ fieldId: 'person.email' }), encoded: text('Ada') }
    const [first, second] = sealRecord(key, [ada, other]) as [Buffer, Buffer]
    expect(first.subarray(0, 82)).toEqual(second.subarray(0, 82))
    expect(first.toString('hex', 2, 10)).toBe(key.id)
    expect(first.subarray(82)).not.toEqual(second.subarray(82))
    expect(first).toHaveLength(98 + 4)
  })

  test('of no values is empty', () => {
    expect(sealRecord(key, [])).toEqual([])
  })

  test('sealed twice has two DEKs', () => {
    const [first] = sealRecord(key, [ada])
    const [second] = sealRecord(key, [ada])
    expect(first!.subarray(10, 50)).not.toEqual(second!.subarray(10, 50))
    expect(first!.subarray(50, 82)).not.toEqual(second!.subarray(50, 82))
  })

  test('does not hold its plaintext or the DEK wrap key', () => {
    const [envelope] = sealRecord(key, [{ ...ada, encoded: text('plaintext in clear') }])
    expect(envelope!.includes('plaintext')).toBe(false)
    expect(envelope!.includes(key.dekWrapKey.export())).toBe(false)
  })
})

describe('refused before anything is sealed', () => {
  test('two values of one field: they would share an IV', () => {
    const attempt = () => sealRecord(key, [ada, { ...ada, encoded: text('Bob') }])
    expect(attempt).toThrow(refusal('ERR_SEAL_REUSE'))
    expect(attempt).toThrow(/^Person\.name occurs twice in one record/)
  })

  test('the same field declared twice, even with other options', () => {
    const again = { field: testField({ name: 'Other.name', pad: 16 }), encoded: text('Bob') }
    expect(() => sealRecord(key, [ada, again])).toThrow(refusal('ERR_SEAL_REUSE'))
  })

  test('a row-bound field without its row id', () => {
    const bound = { field: testField({ rowBound: true }), encoded: text('Ada') }
    expect(() => sealRecord(key, [bound])).toThrow(refusal('ERR_ROW_UNKNOWN'))
    expect(sealRecord(key, [{ ...bound, rowId: encodeRowId('text', '') }])).toHaveLength(1)
  })

  test('programming mistakes: a key of another domain, a value of another type', () => {
    expect(() => sealRecord(testKey('a', 'other'), [ada])).toThrow(RangeError)
    const number = encodeValue('number', 1, 'f')
    expect(() => sealRecord(key, [{ ...ada, encoded: number }])).toThrow(RangeError)
    expect(() => sealRecord(key, [{ ...ada, encoded: Buffer.alloc(0) }])).toThrow(RangeError)
  })

  test('a value longer than 64 MiB, padding included', () => {
    const bytes = (length: number) => Buffer.alloc(length, 7)
    const field = testField({ type: 'bytes' })
    const padded = testField({ type: 'bytes', pad: 65_536 })
    const attempt = (target: typeof field, length: number) =>
      sealRecord(key, [{ field: target, encoded: bytes(length) }])[0]!
    expect(attempt(field, MAX_CIPHERTEXT_BYTES)).toHaveLength(98 + MAX_CIPHERTEXT_BYTES)
    expect(attempt(padded, MAX_CIPHERTEXT_BYTES - 4)).toHaveLength(98 + MAX_CIPHERTEXT_BYTES)
    expect(() => attempt(field, MAX_CIPHERTEXT_BYTES + 1)).toThrow(refusal('ERR_VALUE_TOO_LARGE'))
    expect(() => attempt(padded, MAX_CIPHERTEXT_BYTES - 3)).toThrow(refusal('ERR_VALUE_TOO_LARGE'))
  })
})

describe('padding', () => {
  test.each([
    [16, 'x'.repeat(11), 16],
    [16, 'x'.repeat(12), 32],
    [1, 'x'.repeat(12), 17],
    [4096, '', 4096],
  ])('to a step of %i hides the length', (pad, value, length) => {
    const field = testField({ pad })
    const [envelope] = sealRecord(key, [{ field, encoded: text(value) }])
    expect(envelope).toHaveLength(98 + length)
    expect(envelope![1]).toBe(2)
    expect(createOpener(keysOf(key)).open(envelope!, field)).toBe(value)
  })

  test('may be declared or given up later: b1 is read from the envelope', () => {
    const opener = createOpener(keysOf(key))
    const padded = testField({ pad: 32 })
    expect(opener.open(sealRecord(key, [ada])[0]!, padded)).toBe('Ada')
    expect(opener.open(sealRecord(key, [{ ...ada, field: padded }])[0]!, ada.field)).toBe('Ada')
  })
})
