import { describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import { postgresKeyStore } from '../../src/key-store/postgres-pool'
import type { KeyStore } from '../../src/key-store/store'
import { type Keyring, keyAccess } from '../../src/keys/keyring'
import { useDatabase } from '../key-store/database'
import { keyrings, rejection, scriptedStore, versions } from './fixtures'

describe('the first key', () => {
  it('is the one that the store has, also for those who lost the race', async () => {
    const store = memoryKeyStore()
    const rings = keyrings(10, () => store)
    const keys = await Promise.all(rings.map((ring) => keyAccess(ring).sealingKey()))
    const bytes = keys.map(({ dekWrapKey }) => dekWrapKey.export().toString('hex'))
    expect(new Set(bytes).size).toBe(1)
    expect((await store.loadKeys('default')).keys).toHaveLength(1)
  })

  it('is not used where the store does not show it after the write', async () => {
    const store = scriptedStore(memoryKeyStore())
    store.edit = () => null
    const [keyring] = keyrings(1, () => store) as [Keyring]
    const error = await rejection(keyAccess(keyring).sealingKey(), 'ERR_KEY_STORE')
    expect(error.message).toMatch(/reads from where it writes/)
  })
})

describe('on real PostgreSQL', () => {
  const database = useDatabase()

  async function openStore(): Promise<() => KeyStore> {
    const schema = await database.createSchema()
    await postgresKeyStore(database.pool, { schema }).createTables?.()
    return () => postgresKeyStore(database.pool, { schema })
  }

  it('many keyrings that start together agree on one first key of each purpose', async () => {
    const rings = keyrings(20, await openStore())
    const sealing = await Promise.all(
      rings.map(async (keyring, i) => {
        if (i % 2 === 0) await keyring.ready()
        return keyAccess(keyring).sealingKey()
      }),
    )
    expect(new Set(sealing.map(({ id }) => id)).size).toBe(1)
    const bytes = sealing.map(({ dekWrapKey }) => dekWrapKey.export().toString('hex'))
    expect(new Set(bytes).size).toBe(1)
    expect(await versions(rings[0] as Keyring, 'data')).toEqual([[1, 'active']])
    expect(await versions(rings[0] as Keyring, 'index')).toEqual([[1, 'active']])
  })
})
