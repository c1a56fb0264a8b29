import { describe, expect, test, vi } from 'vitest'
import * as aead from '../../src/crypto/aead'
import * as random from '../../src/crypto/random'
import { encodeValue } from '../../src/envelope/codec'
import { createOpener } from '../../src/envelope/open'
import { rewrapEnvelope, rewrapKeyBlock } from '../../src/envelope/rewrap'
import { encodeRowId } from '../../src/envelope/row-id'
import { sealRecord } from '../../src/envelope/seal'
import { keysOf, refusal, testField, testKey } from './keys'

vi.mock('../../src/crypto/aead', { spy: true })
vi.mock('../../src/crypto/random', { spy: true })

const [from, to] = [testKey('old'), testKey('new')]
const field = testField({ rowBound: true, pad: 16 })
const rowId = encodeRowId('integer', 7)
const encoded = encodeValue('string', 'Ada', 'f')
const envelope = sealRecord(from, [{ field, encoded, rowId }])[0]!

describe('a rewrap', () => {
  test('replaces bytes 2 to 49 and nothing else, and opens under the new key alone', () => {
    const before = Buffer.from(envelope)
    const moved = rewrapEnvelope(envelope, from, to)
    expect(envelope).toEqual(before)
    expect(moved.subarray(0, 2)).toEqual(envelope.subarray(0, 2))
    expect(moved.toString('hex', 2, 10)).toBe(to.id)
    expect(moved.subarray(10, 50)).not.toEqual(envelope.subarray(10, 50))
    expect(moved.subarray(50)).toEqual(envelope.subarray(50))
    expect(createOpener(keysOf(to)).open(moved, field, rowId)).toBe('Ada')
    expect(rewrapEnvelope(moved, to, from)).toEqual(envelope)
  })

  test('decrypts no value and draws no DEK', () => {
    vi.mocked(random.randomBytes).mockClear()
    vi.mocked(aead.openAead).mockClear()
    vi.mocked(aead.sealAead).mockClear()
    rewrapEnvelope(envelope, from, to)
    expect(random.randomBytes).not.toHaveBeenCalled()
    expect(aead.openAead).not.toHaveBeenCalled()
    expect(aead.sealAead).not.toHaveBeenCalled()
  })

  test('of what is under the new key already gives equal bytes of its own', () => {
    const moved = rewrapEnvelope(envelope, from, to)
    const again = rewrapEnvelope(moved, from, to)
    expect(again).toEqual(moved)
    expect(again).not.toBe(moved)
  })

  test('of the head alone gives the key block to be laid over it', () => {
    const block = rewrapKeyBlock(envelope.subarray(0, 82), from, to)
    expect(block).toHaveLength(50)
    expect(Buffer.concat([block, envelope.subarray(50)])).toEqual(
      rewrapEnvelope(envelope, from, to),
    )
  })

  test('keeps the fields of one record together', () => {
    const fields = ['a', 'b'].map((fieldId) => testField({ fieldId }))
    const record = sealRecord(
      from,
      fields.map((target) => ({ field: target, encoded })),
    )
    const [a, b] = record.map((bytes) => rewrapEnvelope(bytes, from, to).subarray(0, 82))
    expect(a).toEqual(b)
  })
})

describe('refused', () => {
  test('bit by bit: no change of the head survives a rewrap', () => {
    for (let bit = 0; bit < 82 * 8; bit++) {
      const changed = Buffer.from(envelope.subarray(0, 82))
      changed[bit >> 3]! ^= 1 << (bit & 7)
      // b0 and b1 are authenticated by the ciphertext, which a rewrap neither reads nor changes.
      if (bit === 8 || bit === 9) {
        expect(rewrapKeyBlock(changed, from, to)[1]).toBe(changed[1])
      } else {
        expect(() => rewrapKeyBlock(changed, from, to)).toThrow(refusalOfBit(bit))
      }
    }
  })

  function refusalOfBit(bit: number): unknown {
    if (bit < 8) return refusal(bit < 4 ? 'ERR_ENVELOPE_VERSION' : 'ERR_ENVELOPE_MALFORMED')
    if (bit < 16) return refusal(bit < 12 ? 'ERR_ENVELOPE_FLAGS' : 'ERR_ENVELOPE_MALFORMED')
    return refusal(bit < 80 ? 'ERR_KEY_NOT_FOUND' : 'ERR_DECRYPTION_FAILED')
  }

  test('a head that ends before its commitment does', () => {
    expect(() => rewrapKeyBlock(envelope.subarray(0, 81), from, to)).toThrow(
      refusal('ERR_ENVELOPE_MALFORMED'),
    )
  })

  test('a wrong key under the right id', () => {
    const impostor = { ...from, dekWrapKey: to.dekWrapKey }
    expect(() => rewrapEnvelope(envelope, impostor, to)).toThrow(refusal('ERR_DECRYPTION_FAILED'))
  })

  test('another domain, and more than a head, are programming mistakes', () => {
    const elsewhere = testKey('new', 'other')
    expect(() => rewrapEnvelope(envelope, from, elsewhere)).toThrow(RangeError)
    expect(() => rewrapKeyBlock(envelope, from, to)).toThrow(RangeError)
    expect(() => rewrapKeyBlock(envelope.subarray(0, 83), from, to)).toThrow(RangeError)
  })

  test('an envelope that names neither key says which it names', () => {
    const third = testKey('third')
    expect(() => rewrapEnvelope(envelope, third, to)).toThrow(
      `the envelope is sealed under key ${from.id}, not under ${third.id}`,
    )
  })
})
