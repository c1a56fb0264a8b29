import { describe, expect, test } from 'vitest'
import { wrapKey } from '../../src/crypto/key-wrap'
import { secretKey } from '../../src/crypto/secret-key'
import type { MortiseErrorCode } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { Tombstone } from '../../src/key-store/store'
import type { SubjectKey } from '../../src/keys/access'
import { deriveSubjectWrapKey, deriveTokenKey } from '../../src/keys/derive'
import { createKeyring, keyAccess } from '../../src/keys/keyring'
import { subjectId } from '../../src/keys/subject-id'
import { subjectRefOf } from '../../src/keys/subject-ref'
import { inAppKeyProvider } from '../../src/providers/in-app'
import { hex, readVectors, rootSecret, vectorKeys, vectorSubjectKeys } from './load'

interface Row {
  name: string
  id: string
  domain: string
  subjectRef: string
  kekId: string
  wrapped: string
}

const { ids, refs, rewraps, mustFail } = readVectors<{
  ids: { type: 'text' | 'integer'; input: string; canonical: string }[]
  refs: {
    domain: string
    indexKek: string
    generation: number
    subject: string
    indexKey: string
    subjectRef: string
  }[]
  rewraps: {
    name: string
    id: string
    from: string
    to: string
    wrapped: string
    rewrapped: string
  }[]
  mustFail: (Row & { code: MortiseErrorCode })[]
}>('subject-keys.json')

const kekOf = (id: string) => secretKey(hex(vectorKeys.find((key) => key.id === id)!.kek))

/** The KEKs of keys.json as the key store of a keyring holds them. */
const kekRecords = vectorKeys.map((key) => ({
  ...key,
  kcv: hex(key.kcv),
  wraps: [{ providerUri: 'in-app:vector', wrapped: hex(key.inAppWrap), createdAt: new Date(0) }],
  createdAt: new Date(0),
  stateChangedAt: new Date(0),
  epoch: 1,
}))

/** Opens one row of the key store as a keyring does. */
async function unlock(row: Row, tombstones: Tombstone[] = []): Promise<SubjectKey> {
  const record = {
    ...row,
    subjectRef: hex(row.subjectRef),
    wrapped: hex(row.wrapped),
    createdAt: new Date(0),
  }
  const keyring = createKeyring({
    domain: row.domain,
    providers: [inAppKeyProvider({ name: 'vector', secret: hex(rootSecret) })],
    store: {
      ...memoryKeyStore(),
      loadEpoch: async () => 1,
      loadKeys: async (domain) => ({
        epoch: 1,
        keys: kekRecords.filter((key) => key.domain === domain),
      }),
      loadSubjectKeys: async () => ({
        epoch: 1,
        keys: tombstones.length === 0 ? [record] : [],
        tombstones,
      }),
    },
  })
  const request = { data: new Set<string>(), subject: new Set([row.id]), provider: new Map() }
  const keys = await keyAccess(keyring).keysFor(request)
  return keys.keyOf(row.id, 'subject') as SubjectKey
}

describe('ids', () => {
  test.each(ids)('$type $input', ({ type, input, canonical }) => {
    const forms = type === 'text' ? [input] : [BigInt(input), input]
    if (type === 'integer' && Number.isSafeInteger(Number(input)))
      forms.push(Number(input) as never)
    for (const form of forms) expect(subjectId(form, 'the subject')).toBe(canonical)
  })
})

describe('subject_ref', () => {
  test.each(refs)('$domain $subject, generation $generation', (vector) => {
    const { domain, generation } = vector
    const key = deriveTokenKey(secretKey(hex(vector.indexKek)), {
      ...{ domain, kind: 'subject', name: '', normaliser: '', bits: 128, generation },
      ...{ indexKeyId: '', range: null, group: null, state: 'active' },
    })
    expect(key.key.export().toString('hex')).toBe(vector.indexKey)
    expect(subjectRefOf(key, vector.subject).toString('hex')).toBe(vector.subjectRef)
  })
})

describe('wraps', () => {
  test.each(vectorSubjectKeys)('$name', async (vector) => {
    const { id, domain, subjectRef, kekId } = vector
    const wrapping = deriveSubjectWrapKey(kekOf(kekId), domain, hex(id), hex(subjectRef))
    expect(wrapKey(wrapping, hex(vector.key)).toString('hex')).toBe(vector.wrapped)
    const opened = await unlock(vector)
    expect(opened).toMatchObject({ id, idBytes: hex(id), domain, subjectRef: hex(subjectRef) })
    expect(opened.dekWrapKey.export().toString('hex')).toBe(vector.dekWrapKey)
  })

  test.each(rewraps)('moved: $name', async ({ id, from, to, wrapped, rewrapped }) => {
    const row = vectorSubjectKeys.find((key) => key.id === id)!
    expect([row.kekId, row.wrapped]).toEqual([from, wrapped])
    const moved = await unlock({ ...row, kekId: to, wrapped: rewrapped })
    expect(moved.dekWrapKey.export().toString('hex')).toBe(row.dekWrapKey)
  })

  test.each(mustFail)('must fail: $name -> $code', async ({ code, ...row }) => {
    await expect(unlock(row)).rejects.toMatchObject({ name: 'MortiseError', code })
  })

  test('a tombstone opens nothing', async () => {
    const row = vectorSubjectKeys.find((key) => key.state === 'destroyed')!
    const { id, domain } = row
    const tombstone = { id, domain, destroyedAt: new Date(0), actor: '', reason: '' }
    await expect(unlock(row, [tombstone])).rejects.toMatchObject({ code: 'ERR_SUBJECT_SHREDDED' })
  })
})
