import { describe, expect, test, vi } from 'vitest'
import * as aead from '../../src/crypto/aead'
import * as random from '../../src/crypto/random'
import { encodeValue } from '../../src/envelope/codec'
import { createOpener } from '../../src/envelope/open'
import {
  rewrapEnvelope,
  rewrapEnvelopeByProvider,
  rewrapKeyBlock,
  rewrapKeyBlockByProvider,
} from '../../src/envelope/rewrap'
import { encodeRowId } from '../../src/envelope/row-id'
import { sealRecord } from '../../src/envelope/seal'
import { MortiseError } from '../../src/errors'
import type { OpeningKey } from '../../src/keys/access'
import { keysOf, refusal, testField, testKey, testProvider, testSubjectKey } from './keys'

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

describe('from and to a key whose provider wraps DEKs', () => {
  const [first, second] = [testProvider('first', 72), testProvider('second', 1024)]
  const open = (bytes: Buffer, key: OpeningKey) =>
    createOpener(keysOf(key)).open(bytes, field, rowId)

  test('local, provider, other provider, and local again: the same bytes as before', async () => {
    const atFirst = await rewrapEnvelopeByProvider(envelope, from, first.key)
    const atSecond = await rewrapEnvelopeByProvider(atFirst, first.deks, second.key)
    const back = rewrapEnvelope(atSecond, second.deks, from)
    expect([atFirst, atSecond, back].map((bytes) => bytes[1])).toEqual([11, 11, 3])
    expect(atFirst.readUInt16BE(10)).toBe(72)
    expect(atSecond.readUInt16BE(10)).toBe(1024)
    expect([open(atFirst, first.deks), open(atSecond, second.deks)]).toEqual(['Ada', 'Ada'])
    expect(atFirst.subarray(12 + 72)).toEqual(envelope.subarray(50))
    expect(atSecond.subarray(12 + 1024)).toEqual(envelope.subarray(50))
    expect(back).toEqual(envelope)
  })

  test('of the head alone gives the block before its commitment', async () => {
    const block = await rewrapKeyBlockByProvider(envelope.subarray(0, 82), from, first.key)
    expect(block).toHaveLength(12 + 72)
    const moved = Buffer.concat([block, envelope.subarray(50)])
    expect(open(moved, first.deks)).toBe('Ada')
    const head = moved.subarray(0, 12 + 72 + 32)
    expect(rewrapKeyBlock(head, first.deks, from)).toEqual(envelope.subarray(0, 50))
  })

  test('asks the provider once, with the DEK that it then zeroes', async () => {
    const seen: Uint8Array[] = []
    const wrapDek = async (dek: Uint8Array) => {
      seen.push(dek)
      return first.key.wrapDek(dek)
    }
    const key = { ...first.key, wrapDek }
    const moved = await rewrapEnvelopeByProvider(envelope, from, key)
    expect(seen).toEqual([Buffer.alloc(32)])
    const again = await rewrapEnvelopeByProvider(moved, first.deks, key)
    expect(again).toEqual(moved)
    expect(again).not.toBe(moved)
    expect(seen).toHaveLength(1)
  })

  test('a provider that changes the DEK it is given does not take the place of the old wrap', async () => {
    const wrapDek = async (dek: Uint8Array) => {
      dek.fill(0)
      return first.key.wrapDek(dek)
    }
    const rewrapping = rewrapEnvelopeByProvider(envelope, from, { ...first.key, wrapDek })
    await expect(rewrapping).rejects.toMatchObject({ code: 'ERR_KEY_PROVIDER' })
  })

  test('a provider that refuses leaves nothing behind', async () => {
    const failure = new MortiseError('ERR_KEY_PROVIDER', 'throttled')
    const seen: Uint8Array[] = []
    const wrapDek = (dek: Uint8Array) => {
      seen.push(dek)
      return Promise.reject(failure)
    }
    const attempt = rewrapEnvelopeByProvider(envelope, from, { ...first.key, wrapDek })
    await expect(attempt).rejects.toBe(failure)
    expect(seen).toEqual([Buffer.alloc(32)])
  })

  test('step 5 comes before the provider is asked', async () => {
    const damaged = Buffer.from(envelope)
    damaged[60]! ^= 1
    const before = first.deks.deks.size
    const attempt = rewrapEnvelopeByProvider(damaged, from, first.key)
    await expect(attempt).rejects.toEqual(refusal('ERR_DECRYPTION_FAILED'))
    expect(first.deks.deks.size).toBe(before)
  })

  test.each([
    ['a local envelope from a provider key', envelope, first.deks, 'ERR_ENVELOPE_FLAGS'],
    ['a subject envelope', subjectEnvelope(), from, 'ERR_ENVELOPE_FLAGS'],
    ['an envelope of a third key', envelope, testKey('third'), 'ERR_KEY_NOT_FOUND'],
  ] as const)('refuses %s', async (_, bytes, source, code) => {
    expect(() => rewrapEnvelope(bytes, source, to)).toThrow(refusal(code))
    const attempt = rewrapEnvelopeByProvider(bytes, source, second.key)
    await expect(attempt).rejects.toEqual(refusal(code))
  })

  test('refuses a blob that was not unwrapped, and a provider envelope from a local key', async () => {
    const moved = await rewrapEnvelopeByProvider(envelope, from, first.key)
    const none = { ...first.deks, deks: new Map() }
    expect(() => rewrapEnvelope(moved, none, to)).toThrow(refusal('ERR_DECRYPTION_FAILED'))
    expect(() => rewrapEnvelope(moved, from, to)).toThrow(refusal('ERR_ENVELOPE_FLAGS'))
    const sameId = { ...to, id: first.key.id }
    expect(() => rewrapEnvelope(moved, sameId, to)).toThrow(refusal('ERR_ENVELOPE_FLAGS'))
  })

  test('does not take the same id of another kind for the key that it moves to', async () => {
    const moved = await rewrapEnvelopeByProvider(envelope, from, first.key)
    const namesake = { ...to, id: first.key.id, idBytes: first.key.idBytes }
    const local = rewrapEnvelope(moved, first.deks, namesake)
    expect(local[1]).toBe(3)
    expect(open(local, namesake)).toBe('Ada')
    const subject = { ...to, id: testSubjectKey('42').id }
    expect(() => rewrapEnvelope(subjectEnvelope(), from, subject)).toThrow(
      refusal('ERR_ENVELOPE_FLAGS'),
    )
  })

  test('another domain, and more than a head, are programming mistakes', async () => {
    const elsewhere = testProvider('first', 72, 'other')
    await expect(rewrapEnvelopeByProvider(envelope, from, elsewhere.key)).rejects.toThrow(
      RangeError,
    )
    await expect(rewrapKeyBlockByProvider(envelope, from, first.key)).rejects.toThrow(RangeError)
  })
})

function subjectEnvelope(): Buffer {
  const target = testField({ subject: true })
  return sealRecord(testSubjectKey('42'), [{ field: target, encoded }])[0]!
}
