import { hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeParts } from '../../src/bytes'
import { kdf } from '../../src/crypto/kdf'
import { secretKey } from '../../src/crypto/secret-key'

const part = fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 40 }))
const parts = fc.array(part, { maxLength: 4 })

test('the expand step of RFC 5869 A.1, extended to our info', () => {
  // PRK of A.1; T(1) = HMAC(PRK, info | 0x01), with our encoding of the parts as info.
  const prk = Buffer.from('077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5', 'hex')
  const ikm = Buffer.alloc(22, 0x0b)
  const salt = Buffer.from('000102030405060708090a0b0c', 'hex')
  const expected = Buffer.from(hkdfSync('sha256', ikm, salt, encodeParts('a', 'b'), 32))
  expect(kdf(secretKey(prk), 'a', 'b')).toEqual(expected)
})

test('different parts give different keys, however they would join', () => {
  const key = secretKey(Buffer.alloc(32, 1))
  const bytesOf = (list: readonly (string | Uint8Array)[]) =>
    list.map((item) => Buffer.from(item as string).toString('hex'))
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const same = JSON.stringify(bytesOf(a)) === JSON.stringify(bytesOf(b))
      expect(kdf(key, ...a).equals(kdf(key, ...b))).toBe(same)
    }),
  )
  expect(kdf(key, 'ab', 'c')).not.toEqual(kdf(key, 'a', 'bc'))
  expect(kdf(key, 'a')).not.toEqual(kdf(key, 'a', ''))
})
