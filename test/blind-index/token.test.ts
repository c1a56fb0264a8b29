import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { resolveNormalizer } from '../../src/blind-index/normalize'
import { checkBits, encodeForToken, tokenOf, tokensOf } from '../../src/blind-index/token'
import { secretKey } from '../../src/crypto/secret-key'
import type { TokenKey } from '../../src/keys/access'

const FIELD = 'Patient.email'
const RAW = Buffer.alloc(32, 7)
const NONE = resolveNormalizer(undefined, FIELD)
const EMAIL = resolveNormalizer('email', FIELD)

function tokenKey(bits: number, generation = 1): TokenKey {
  return { key: secretKey(RAW), generation, bits }
}

describe('tokenOf', () => {
  const encoded = Buffer.from('\x01ada@example.com')
  const mac = createHmac('sha256', RAW).update(encoded).digest()

  it('is the generation and the first 16 bytes of the HMAC', () => {
    expect(tokenOf(tokenKey(128, 9), encoded)).toEqual(
      Buffer.concat([Buffer.of(9), mac.subarray(0, 16)]),
    )
  })

  it('keeps exactly the first bits at every length', () => {
    for (let bits = 8; bits <= 128; bits++) {
      const token = tokenOf(tokenKey(bits), encoded)
      const length = Math.ceil(bits / 8)
      expect(token).toHaveLength(1 + length)
      expect(binary(token.subarray(1))).toBe(
        binary(mac)
          .slice(0, bits)
          .padEnd(length * 8, '0'),
      )
    }
  })

  it('is what tokensOf gives for each of many values', () => {
    const key = tokenKey(20, 3)
    const many = ['a', '', 'a', 'é'.repeat(1000)].map((text) => Buffer.from(`\x01${text}`))
    const tokens = tokensOf(key, many)
    expect(tokens).toEqual(many.map((one) => tokenOf(key, one)))
    expect(tokensOf(key, [])).toEqual([])
  })

  function binary(bytes: Uint8Array): string {
    return [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  }
})

describe('encodeForToken', () => {
  it('writes -0 as 0', () => {
    expect(encodeForToken('number', -0, NONE, FIELD)).toEqual(
      Buffer.from(`02${'00'.repeat(8)}`, 'hex'),
    )
    expect(encodeForToken('number', 0, NONE, FIELD)).toEqual(
      Buffer.from(`02${'00'.repeat(8)}`, 'hex'),
    )
  })

  it('is made of the normalised value', () => {
    expect(encodeForToken('string', ' Ada@Example.com', EMAIL, FIELD)).toEqual(
      Buffer.from('\x01ada@example.com'),
    )
  })

  it('keeps types apart', () => {
    const one = [
      encodeForToken('string', '1', NONE, FIELD),
      encodeForToken('number', 1, NONE, FIELD),
      encodeForToken('bigint', 1n, NONE, FIELD),
      encodeForToken('boolean', true, NONE, FIELD),
      encodeForToken('bytes', Buffer.from('1'), NONE, FIELD),
    ]
    expect(new Set(one.map((encoded) => encoded.toString('hex'))).size).toBe(one.length)
  })

  it.each([
    ['number', '1'],
    ['string', 1],
    ['string', null],
    ['string', '\ud800'],
  ] as const)('refuses a %s of another kind before any normaliser sees it', (type, value) => {
    const own = resolveNormalizer(
      { name: 'own', version: 1, normalize: () => expect.fail('must not be called') },
      FIELD,
    )
    expect(() => encodeForToken(type, value, type === 'string' ? own : NONE, FIELD)).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE_INVALID', field: FIELD }),
    )
  })

  it('refuses json', () => {
    expect(() => encodeForToken('json', { a: 1 }, NONE, FIELD)).toThrow(
      expect.objectContaining({ code: 'ERR_FIELD_INVALID', field: FIELD }),
    )
  })
})

describe('checkBits', () => {
  it.each([
    [undefined, 128],
    [8, 8],
    [128, 128],
  ])('%s gives %d', (bits, expected) => {
    expect(checkBits(bits, FIELD)).toBe(expected)
  })

  it.each([7, 129, 12.5, Number.NaN, '16'])('refuses %s', (bits) => {
    expect(() => checkBits(bits as never, FIELD)).toThrow(
      expect.objectContaining({ code: 'ERR_FIELD_INVALID', field: FIELD }),
    )
  })
})

it.each([0, 1, 5, 1300])('gives %i tokens at once as one by one', (count) => {
  for (const bits of [8, 13, 128]) {
    const encoded = Array.from({ length: count }, (_, i) => Buffer.from(`\x01value ${i}`))
    const key = tokenKey(bits, 3)
    expect(tokensOf(key, encoded)).toEqual(encoded.map((one) => tokenOf(key, one)))
  }
})
