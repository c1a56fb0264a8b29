import { describe, expect, test } from 'vitest'
import { openAead, sealAead } from '../../src/crypto/aead'
import { secretKey } from '../../src/crypto/secret-key'

const hex = (text: string) => Buffer.from(text, 'hex')

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
const key = secretKey(hex('feffe9928665731c6d6a8f9467308308'.repeat(2)))
const iv = hex('cafebabefacedbaddecaf888')
const aad = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2')
const plaintext = hex(
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
    '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
)
const ciphertext = hex(
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
    '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
)
const tag = hex('76fc6ece0f4e1768cddf8853bb2d551b')

test('a published test case, both ways', () => {
  expect(sealAead(key, iv, aad, plaintext)).toEqual([ciphertext, tag])
  expect(openAead(key, iv, aad, ciphertext, tag)).toEqual(plaintext)
})

describe('nothing leaves where the tag does not match', () => {
  const changed = (bytes: Buffer) => Buffer.concat([Buffer.of(bytes[0]! ^ 1), bytes.subarray(1)])

  test.each([
    ['key', secretKey(Buffer.alloc(32)), iv, aad, ciphertext, tag],
    ['IV', key, changed(iv), aad, ciphertext, tag],
    ['AAD', key, iv, changed(aad), ciphertext, tag],
    ['ciphertext', key, iv, aad, changed(ciphertext), tag],
    ['tag', key, iv, aad, ciphertext, changed(tag)],
  ])('another %s', (_, ...changedInput) => {
    expect(openAead(...changedInput)).toBeNull()
  })

  test.each([0, 4, 8, 12, 15, 17])('a tag of %i bytes, though its bytes are right', (length) => {
    const other = Buffer.concat([tag, tag]).subarray(0, length)
    expect(openAead(key, iv, aad, ciphertext, other)).toBeNull()
  })
})
