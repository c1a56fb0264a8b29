import { describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import { postgresKeyStore } from '../../src/key-store/postgres-pool'
import type { KeyStore } from '../../src/key-store/store'
import { createKeyring, type Keyring, keyAccess } from '../../src/keys/keyring'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { useDatabase } from '../key-store/database'
import { keyrings, readyKeyring, rejection, scriptedProvider, versions } from '../keys/fixtures'

describe('rotateKek', () => {
  it('makes the next version active, and this process seals under it at once', async () => {
    const { keyring } = await readyKeyring()
    const access = keyAccess(keyring)
    const before = await access.sealingKey()
    const result = await rotateKek(keyring, { purpose: 'data' })
    expect(result).toEqual({ keyId: expect.any(String), version: 2, previousKeyId: before.id })
    const after = await access.sealingKey()
    expect(after).toMatchObject({ id: result.keyId, version: 2 })
    expect(after.dekWrapKey.equals(before.dekWrapKey)).toBe(false)
    expect(access.loadedOpeningKey(before.id)?.dekWrapKey.equals(before.dekWrapKey)).toBe(true)
    expect(await versions(keyring, 'data')).toEqual([
      [1, 'decrypt-only'],
      [2, 'active'],
    ])
    expect(await versions(keyring, 'index')).toEqual([[1, 'active']])
  })

  it('rotates the index key without touching data keys', async () => {
    const { keyring } = await readyKeyring()
    const before = await keyAccess(keyring).sealingKey()
    expect(await rotateKek(keyring, { purpose: 'index' })).toMatchObject({ version: 2 })
    expect((await keyAccess(keyring).sealingKey()).id).toBe(before.id)
  })

  it('makes the first key of a purpose where there is none', async () => {
    const [keyring] = keyrings(1, memoryKeyStore) as [Keyring]
    expect(await rotateKek(keyring, { purpose: 'data' })).toMatchObject({
      version: 1,
      previousKeyId: null,
    })
    expect(await versions(keyring, 'index')).toEqual([])
  })

  it('recovers a domain whose latest key is not active', async () => {
    const { keyring, store } = await readyKeyring()
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    await store.changeState(keyId, 'active', 'disabled')
    const access = keyAccess(keyring)
    await keyring.keys()
    await rejection(access.sealingKey(), 'ERR_KEY_STATE')
    const next = await rotateKek(keyring, { purpose: 'data' })
    expect(next).toMatchObject({ version: 3, previousKeyId: null })
    expect((await access.sealingKey()).id).toBe(next.keyId)
  })

  it('refuses another purpose', async () => {
    const { keyring } = await readyKeyring()
    await rejection(rotateKek(keyring, { purpose: 'both' as 'data' }), 'ERR_CONFIG')
  })

  it('changes nothing where the provider cannot wrap', async () => {
    const { keyring, store } = await readyKeyring()
    const broken = { ...scriptedProvider(), wrapKey: () => Promise.reject(new Error('down')) }
    const other = createKeyring({ providers: [broken], store })
    await rejection(rotateKek(other, { purpose: 'data' }), 'ERR_KEY_PROVIDER')
    expect(await versions(keyring, 'data')).toEqual([[1, 'active']])
  })

  it('gives up, retryable, where another writer always wins', async () => {
    const { keyring, store } = await readyKeyring()
    let attempts = 0
    store.insertKey = async () => {
      attempts++
      return false
    }
    const error = await rejection(rotateKek(keyring, { purpose: 'data' }), 'ERR_KEY_STORE')
    expect(error).toMatchObject({ retryable: true })
    expect(attempts).toBe(10)
  })

  it('of many at the same time each makes its own version, with one key active', async () => {
    const { store } = await readyKeyring()
    const rings = keyrings(1, () => store)
    const results = await Promise.all(
      Array.from({ length: 4 }, () => rotateKek(rings[0] as Keyring, { purpose: 'index' })),
    ).catch((error: unknown) => error)
    expect(results).toHaveLength(4)
    expect((results as { version: number }[]).map(({ version }) => version).sort()).toEqual([
      2, 3, 4, 5,
    ])
  })
})

describe('on real PostgreSQL', () => {
  const database = useDatabase()

  async function openStore(): Promise<() => KeyStore> {
    const schema = await database.createSchema()
    await postgresKeyStore(database.pool, { schema }).createTables?.()
    return () => postgresKeyStore(database.pool, { schema })
  }

  it('concurrent rotations leave one active key and no gap', async () => {
    const rings = keyrings(4, await openStore())
    await rings[0]?.ready()
    const results = await Promise.all(rings.map((ring) => rotateKek(ring, { purpose: 'data' })))
    expect(results.map(({ version }) => version).sort()).toEqual([2, 3, 4, 5])
    const byVersion = [...results].sort((a, b) => a.version - b.version)
    for (const [index, { previousKeyId }] of byVersion.entries()) {
      if (index > 0) expect(previousKeyId).toBe(byVersion[index - 1]?.keyId)
    }
    expect(await versions(rings[0] as Keyring, 'data')).toEqual([
      [1, 'decrypt-only'],
      [2, 'decrypt-only'],
      [3, 'decrypt-only'],
      [4, 'decrypt-only'],
      [5, 'active'],
    ])
    const last = byVersion.at(-1)?.keyId
    for (const keyring of rings) {
      await keyring.keys()
      expect((await keyAccess(keyring).sealingKey()).id).toBe(last)
    }
  })
})
