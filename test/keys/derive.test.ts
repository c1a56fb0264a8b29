import { createHmac, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { secretKey } from '../../src/crypto/secret-key'
import {
  deriveDataKey,
  deriveTokenKey,
  type KeyedIndexRecord,
  keyCheckValue,
} from '../../src/keys/derive'
import { someIndex } from '../key-store/records'

/** KDF of format 1, written again from its definition. */
function kdf(key: Buffer, ...parts: (string | Buffer)[]): string {
  const encoded = parts.map((part) => {
    const bytes = Buffer.from(part)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  })
  return createHmac('sha256', key)
    .update(Buffer.concat([...encoded, Buffer.of(1)]))
    .digest('hex')
}

const kek = randomBytes(32)
const id = '00112233445566ff'
const idBytes = Buffer.from(id, 'hex')
const identity = { id, domain: 'default', purpose: 'data', version: 258 } as const

describe('derivations from a KEK', () => {
  it('check value', () => {
    const expected = kdf(kek, 'mortise/1/kcv', 'default', 'data', idBytes, Buffer.of(0, 0, 1, 2))
    expect(keyCheckValue(secretKey(kek), identity).toString('hex')).toBe(expected)
  })

  it('DEK wrap key', () => {
    const key = deriveDataKey(secretKey(kek), identity)
    const expected = kdf(kek, 'mortise/1/dek-wrap', 'default', 'data', idBytes)
    expect(key.dekWrapKey.export().toString('hex')).toBe(expected)
    expect(key).toMatchObject({ id, idBytes, domain: 'default', version: 258 })
  })

  it('token key', () => {
    const record = someIndex({ generation: 7, bits: 33 }) as KeyedIndexRecord
    const expected = kdf(
      kek,
      'mortise/1/index',
      'default',
      'field',
      'person.email',
      'exact',
      'email@1',
      Buffer.of(0, 0, 0, 33),
      Buffer.of(7),
    )
    const token = deriveTokenKey(secretKey(kek), record)
    expect(token.key.export().toString('hex')).toBe(expected)
    expect(token).toMatchObject({ generation: 7, bits: 33 })
  })

  it('token keys differ by every part', () => {
    const base = someIndex() as KeyedIndexRecord
    const variants = [
      {},
      { domain: 'other' },
      { kind: 'group' as const },
      { name: 'person.mail' },
      { normaliser: '' },
      { bits: 127 },
      { generation: 2 },
    ].map((change) => deriveTokenKey(secretKey(kek), { ...base, ...change }))
    const keys = new Set(variants.map(({ key }) => key.export().toString('hex')))
    expect(keys.size).toBe(variants.length)
  })
})
