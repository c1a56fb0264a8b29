import { expect, test } from 'vitest'
import { equalConstantTime, hmacSha256, hmacSha512, sha256 } from '../../src/crypto/hash'
import { secretKey } from '../../src/crypto/secret-key'

const hex = (text: string) => Buffer.from(text, 'hex')

test('SHA-256 of "abc" (FIPS 180-2 B.1)', () => {
  expect(sha256(Buffer.from('abc')).toString('hex')).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
})

// RFC 4231 4.2 and 4.7: a key shorter and a key longer than the block.
test.each([
  [
    '0b'.repeat(20),
    Buffer.from('Hi There').toString('hex'),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde' +
      'daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
  ],
  [
    'aa'.repeat(131),
    Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First').toString('hex'),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    '80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352' +
      '6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598',
  ],
])('HMAC test cases of RFC 4231', (key, data, mac256, mac512) => {
  expect(hmacSha256(hex(key), hex(data)).toString('hex')).toBe(mac256)
  expect(hmacSha512(hex(key), hex(data)).toString('hex')).toBe(mac512)
})

test('a key object and its bytes give the same HMAC', () => {
  const key = Buffer.alloc(32, 7)
  const data = Buffer.from('data')
  expect(hmacSha256(secretKey(key), data)).toEqual(hmacSha256(key, data))
  expect(hmacSha512(secretKey(key), data)).toEqual(hmacSha512(key, data))
})

test('equality is by content, and another length is unequal, not an error', () => {
  expect(equalConstantTime(hex('0102'), hex('0102'))).toBe(true)
  expect(equalConstantTime(hex('0102'), hex('0103'))).toBe(false)
  expect(equalConstantTime(hex('0102'), hex('010200'))).toBe(false)
  expect(equalConstantTime(hex(''), hex(''))).toBe(true)
})
