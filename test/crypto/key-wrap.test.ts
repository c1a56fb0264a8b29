import { expect, test } from 'vitest'
import { unwrapKey, wrapKey } from '../../src/crypto/key-wrap'
import { secretKey } from '../../src/crypto/secret-key'

const hex = (text: string) => Buffer.from(text, 'hex')

// RFC 3394 4.6: 256 bits of key data under a 256-bit key.
const wrappingKey = secretKey(
  hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'),
)
const key = hex('00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f')
const wrapped = hex(
  '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21',
)

test('the test vector of RFC 3394 4.6, both ways', () => {
  expect(wrapKey(wrappingKey, key)).toEqual(wrapped)
  expect(unwrapKey(wrappingKey, wrapped)).toEqual(key)
})

test('an unwrapped key does not lie in the shared Buffer pool', () => {
  expect(unwrapKey(wrappingKey, wrapped)?.buffer.byteLength).toBe(32)
})

test('every single-bit change is refused', () => {
  for (let bit = 0; bit < wrapped.length * 8; bit++) {
    const changed = Buffer.from(wrapped)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect(unwrapKey(wrappingKey, changed)).toBeNull()
  }
})

test('another wrapping key is refused', () => {
  expect(unwrapKey(secretKey(Buffer.alloc(32)), wrapped)).toBeNull()
})

test.each([0, 8, 16, 24, 32, 39, 41, 48])('a wrap of %i bytes is refused', (length) => {
  expect(unwrapKey(wrappingKey, Buffer.alloc(length))).toBeNull()
})

test.each([0, 16, 31, 33, 64])('a key of %i bytes is a programming error', (length) => {
  expect(() => wrapKey(wrappingKey, Buffer.alloc(length))).toThrow(RangeError)
})
