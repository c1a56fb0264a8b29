import { describe, expect, test } from 'vitest'
import {
  checkPrefix,
  fromText,
  keyKind,
  MAX_CIPHERTEXT_BYTES,
  parseEnvelope,
  readKeyId,
  toText,
} from '../../src/envelope/format'
import { refusal } from './keys'

function envelope(ciphertextBytes: number, head = '\xe1\x00'): Buffer {
  const bytes = Buffer.alloc(98 + ciphertextBytes)
  bytes.write(head, 'latin1')
  return bytes
}

describe('parts', () => {
  test('are views of the same memory, and cover all of it', () => {
    const bytes = envelope(3)
    bytes.forEach((_, index) => {
      if (index > 1) bytes[index] = index
    })
    const { head, wrappedDek, commitment, ciphertext, tag } = parseEnvelope(bytes)
    expect(Buffer.concat([head, ciphertext, tag])).toEqual(bytes)
    expect(head).toHaveLength(82)
    expect([wrappedDek[0], wrappedDek.length]).toEqual([10, 40])
    expect([commitment[0], commitment.length]).toEqual([50, 32])
    expect([ciphertext[0], ciphertext.length]).toEqual([82, 3])
    expect([tag[0], tag.length]).toEqual([85, 16])
    expect(readKeyId(bytes)).toBe('0203040506070809')
    bytes[82] = 0xff
    expect(ciphertext[0]).toBe(0xff)
  })

  test('of a plain Uint8Array inside a larger buffer', () => {
    const inside = new Uint8Array(300).subarray(100, 100 + 99)
    inside.set(envelope(1))
    expect(parseEnvelope(inside).ciphertext).toHaveLength(1)
  })

  test.each([0, -1])('with a ciphertext of %i bytes are refused', (length) => {
    expect(() => parseEnvelope(envelope(length))).toThrow(refusal('ERR_ENVELOPE_MALFORMED'))
  })

  test('with the longest ciphertext are accepted, with one byte more refused', () => {
    const longest = envelope(MAX_CIPHERTEXT_BYTES)
    expect(MAX_CIPHERTEXT_BYTES).toBe(67_108_864)
    expect(parseEnvelope(longest).ciphertext).toHaveLength(MAX_CIPHERTEXT_BYTES)
    const longer = envelope(MAX_CIPHERTEXT_BYTES + 1)
    expect(() => parseEnvelope(longer)).toThrow(refusal('ERR_ENVELOPE_MALFORMED'))
  })
})

describe('magic and flags', () => {
  test('one byte in 256 is a known magic, 15 are other versions', () => {
    const codes = Array.from({ length: 256 }, (_, magic) => {
      try {
        return checkPrefix(Buffer.concat([Buffer.of(magic, 0), Buffer.alloc(8)]))
      } catch (error) {
        return (error as { code: string }).code
      }
    })
    expect(codes[0xe1]).toBe(0)
    expect(codes.filter((code) => code === 'ERR_ENVELOPE_VERSION')).toHaveLength(15)
    expect(codes.filter((code) => code === 'ERR_ENVELOPE_MALFORMED')).toHaveLength(240)
  })

  test('of 256 flag bytes, twelve can be', () => {
    const outcomes = Array.from({ length: 256 }, (_, flags) => {
      try {
        checkPrefix(Buffer.concat([Buffer.of(0xe1, flags), Buffer.alloc(8)]))
        return keyKind(flags)
      } catch (error) {
        return (error as { code: string }).code
      }
    })
    const at = (outcome: string) => outcomes.flatMap((found, i) => (found === outcome ? [i] : []))
    expect(at('data')).toEqual([0, 1, 2, 3])
    expect(at('subject')).toEqual([4, 5, 6, 7])
    expect(at('provider')).toEqual([8, 9, 10, 11])
    expect(at('ERR_ENVELOPE_MALFORMED')).toHaveLength(244)
  })

  test('errors name the field where one is given', () => {
    expect(() => parseEnvelope(Buffer.alloc(0), 'Person.x')).toThrow(/^Person\.x does not hold/)
    expect(() => parseEnvelope(Buffer.from('\xe2', 'latin1'), 'Person.x')).toThrow(
      expect.objectContaining({ code: 'ERR_ENVELOPE_VERSION', field: 'Person.x' }),
    )
  })
})

describe('text form', () => {
  test('begins with mrt1. and comes back as the same bytes', () => {
    const bytes = envelope(2)
    expect(toText(bytes)).toMatch(/^mrt1\.4Q[A-Za-z0-9_-]+$/)
    expect(fromText(toText(bytes))).toEqual(bytes)
  })

  test('longer than any envelope is refused before it is decoded', () => {
    const text = `mrt1.${'A'.repeat(89_482_000)}`
    expect(() => fromText(text, 'Person.x')).toThrow(refusal('ERR_ENVELOPE_MALFORMED'))
  })

  test('holds the longest envelope', () => {
    const longest = envelope(MAX_CIPHERTEXT_BYTES)
    expect(fromText(toText(longest)).equals(longest)).toBe(true)
  })
})
