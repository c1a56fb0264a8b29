import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { unwrapKey, wrapKey } from '../../src/crypto/key-wrap'
import { withUnwrappedKeys, wrapKeys } from '../../src/crypto/key-wrap-many'
import { secretKey } from '../../src/crypto/secret-key'

const hex = (text: string) => Buffer.from(text, 'hex')
const copies = (keys: readonly (Buffer | null)[]) => keys.map((key) => key && Buffer.from(key))

// RFC 3394 4.6: 256 bits of key data under a 256-bit key.
const wrappingKey = secretKey(
  hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'),
)
const key = hex('00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f')
const wrapped = hex(
  '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21',
)

test('the test vector of RFC 3394 4.6, both ways', () => {
  expect(wrapKeys(wrappingKey, [key])).toEqual([wrapped])
  expect(withUnwrappedKeys(wrappingKey, [wrapped], copies)).toEqual([key])
})

test.each([0, 1, 2, 1000])('%i keys are what they are one by one', (count) => {
  const keys = Array.from({ length: count }, () => randomBytes(32))
  const wraps = keys.map((one) => wrapKey(wrappingKey, one))
  expect(wrapKeys(wrappingKey, keys)).toEqual(wraps)
  expect(withUnwrappedKeys(wrappingKey, wraps, copies)).toEqual(keys)
})

test('every single-bit change is refused, and its neighbours are not', () => {
  const changed = Array.from({ length: wrapped.length * 8 }, (_, bit) => {
    const copy = Buffer.from(wrapped)
    copy[bit >> 3]! ^= 1 << (bit & 7)
    return copy
  })
  const found = withUnwrappedKeys(wrappingKey, [wrapped, ...changed, wrapped], copies)
  expect(found).toEqual([key, ...changed.map((one) => unwrapKey(wrappingKey, one)), key])
  expect(found.filter((one) => one === null)).toHaveLength(changed.length)
})

test.each([0, 8, 16, 24, 32, 39, 41, 48])('a wrap of %i bytes is refused', (length) => {
  expect(withUnwrappedKeys(wrappingKey, [Buffer.alloc(length)], copies)).toEqual([null])
})

test('unwrapped keys are zeroed when they were used', () => {
  const [lent] = withUnwrappedKeys(wrappingKey, [wrapped], (keys) => keys)
  expect(lent).toEqual(Buffer.alloc(32))
})

test.each([0, 16, 31, 33, 64])('a key of %i bytes is a programming error', (length) => {
  expect(() => wrapKeys(wrappingKey, [Buffer.alloc(length)])).toThrow(RangeError)
})
