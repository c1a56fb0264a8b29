import { expect, test } from 'vitest'
import { wrapKey } from '../../src/crypto/key-wrap'
import { deriveRecordKey, withDek } from '../../src/envelope/record-key'
import { testKey } from './keys'

const key = testKey('a')
const dek = Buffer.alloc(32, 7)

test('the commitment does not carry the encryption key in its memory', () => {
  const { encryptionKey, commitment } = deriveRecordKey(dek, 'default')
  const memory = Buffer.from(commitment.buffer as ArrayBuffer)
  expect(memory.includes(commitment)).toBe(true)
  expect(memory.includes(encryptionKey.export())).toBe(false)
})

test('the domain is part of key and commitment', () => {
  const [a, b] = ['default', 'other'].map((domain) => deriveRecordKey(dek, domain))
  expect(a!.commitment).not.toEqual(b!.commitment)
  expect(a!.encryptionKey.equals(b!.encryptionKey)).toBe(false)
})

test('a DEK is zeroed even where its user throws', () => {
  const { commitment } = deriveRecordKey(dek, key.domain)
  const lent: Buffer[] = []
  const run = () =>
    withDek(key, wrapKey(key.dekWrapKey, dek), commitment, (secret) => {
      lent.push(secret)
      throw new Error('of its user')
    })
  expect(run).toThrow('of its user')
  expect(lent).toEqual([Buffer.alloc(32)])
})
