import { describe, expect, test } from 'vitest'
import { u32 } from '../../src/bytes'
import { kdf } from '../../src/crypto/kdf'
import { unwrapKey, wrapKey } from '../../src/crypto/key-wrap'
import { secretKey } from '../../src/crypto/secret-key'
import { createFieldContext } from '../../src/envelope/field-context'
import { deriveRecordKey, withDek } from '../../src/envelope/record-key'
import { inAppKeyProvider } from '../../src/providers/in-app'
import { dataKey, hex, readVectors, rootSecret, vectorKeys } from './load'

const { records, fieldIvs } = readVectors<{
  records: {
    keyId: string
    dek: string
    wrappedDek: string
    encryptionKey: string
    commitment: string
  }[]
  fieldIvs: { domain: string; fieldId: string; iv: string }[]
}>('keys.json')

describe.each(vectorKeys)('key $domain $purpose $version', (key) => {
  const { id, domain, purpose, version } = key
  const kek = secretKey(hex(key.kek))

  test('in-app wrap', async () => {
    const provider = inAppKeyProvider({ name: 'vector', secret: hex(rootSecret) })
    const context = { use: 'kek', domain, purpose, id, version } as const
    expect(Buffer.from(await provider.wrapKey(hex(key.kek), context))).toEqual(hex(key.inAppWrap))
    expect(Buffer.from(await provider.unwrapKey(hex(key.inAppWrap), context))).toEqual(hex(key.kek))
  })

  test('check value', () => {
    const kcv = kdf(kek, 'mortise/1/kcv', domain, purpose, hex(id), u32(version))
    expect(kcv).toEqual(hex(key.kcv))
  })
})

test.each(vectorKeys.filter(({ purpose }) => purpose === 'data'))(
  'DEK wrap key of $domain $version',
  ({ id, domain, kek, dekWrapKey }) => {
    const derived = kdf(secretKey(hex(kek)), 'mortise/1/dek-wrap', domain, 'data', hex(id))
    expect(derived.toString('hex')).toBe(dekWrapKey)
  },
)

test.each(records)('record key of a DEK under $keyId', (record) => {
  const key = dataKey(record.keyId)
  const dek = hex(record.dek)
  const { encryptionKey, commitment } = deriveRecordKey(dek, key.domain)
  expect(wrapKey(key.dekWrapKey, dek)).toEqual(hex(record.wrappedDek))
  expect(unwrapKey(key.dekWrapKey, hex(record.wrappedDek))).toEqual(dek)
  expect(encryptionKey.export().toString('hex')).toBe(record.encryptionKey)
  expect(commitment.toString('hex')).toBe(record.commitment)
})

test.each(records)('a DEK under $keyId is lent, then zeroed', (record) => {
  const seen: Buffer[] = []
  const lent = withDek(
    dataKey(record.keyId),
    hex(record.wrappedDek),
    hex(record.commitment),
    (dek) => {
      seen.push(dek)
      return dek.toString('hex')
    },
  )
  expect(lent).toBe(record.dek)
  expect(seen).toEqual([Buffer.alloc(32)])
})

test.each(fieldIvs)('IV of $fieldId in $domain', ({ domain, fieldId, iv }) => {
  const field = createFieldContext({ name: 'f', domain, fieldId, type: 'string' })
  expect(field.iv.toString('hex')).toBe(iv)
})
