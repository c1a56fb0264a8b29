import { describe, expect, it } from 'vitest'
import { MortiseError } from '../../src/errors'
import { createFieldCipher } from '../../src/field/field-cipher'
import { memoryKeyStore } from '../../src/key-store/memory'
import { postgresKeyStore } from '../../src/key-store/postgres-pool'
import type { KeyStore } from '../../src/key-store/store'
import { createKeyring, type Keyring, keyAccess } from '../../src/keys/keyring'
import type { KeyringOptions } from '../../src/keys/keyring-options'
import type { KeyProvider } from '../../src/providers/provider'
import { addProvider } from '../../src/rotation/add-provider'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { useDatabase } from '../key-store/database'
import {
  eventLog,
  keyrings,
  rejection,
  scriptedProvider,
  scriptedStore,
  versions,
} from './fixtures'

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

/** Uncommitted keys are what these tests are about: one keyring over scripted providers. */
function keyringOver(providers: readonly KeyProvider[], options: Partial<KeyringOptions> = {}) {
  const store = scriptedStore(memoryKeyStore())
  const { events, onEvent } = eventLog()
  const cache = { epochPollMs: 0 }
  const keyring = createKeyring({ providers, store, cache, onEvent, ...options })
  return { keyring, store, events }
}

const down = () => new MortiseError('ERR_KEY_PROVIDER', 'disabled', { failure: 'state' })
const providersOf = async (keyring: Keyring, version: number): Promise<string[]> => {
  const key = (await keyring.keys()).find(
    (one) => one.purpose === 'data' && one.version === version,
  )
  return [...(key?.providers ?? [])].sort()
}

describe('a new key', () => {
  it('is wrapped by the first provider alone where there was none before, and opened once', async () => {
    const [a, b] = [scriptedProvider('a'), scriptedProvider('b')]
    const { keyring } = keyringOver([a, b])
    await keyring.ready()
    expect(await providersOf(keyring, 1)).toEqual(['in-app:a'])
    expect([a.calls, b.calls]).toMatchObject([
      { wrap: 2, unwrap: 2 },
      { wrap: 0, unwrap: 0 },
    ])
  })

  it('is also wrapped by everybody who wraps the one before, and opened by each', async () => {
    const [a, b, c] = [scriptedProvider('a'), scriptedProvider('b'), scriptedProvider('c')]
    const { keyring, store } = keyringOver([a, b, c])
    await keyring.ready()
    await addProvider(keyring, { provider: b })
    const turned = createKeyring({ providers: [c, a, b], store })
    const before = b.calls.unwrap
    await rotateKek(turned, { purpose: 'data' })
    expect(await providersOf(keyring, 2)).toEqual(['in-app:a', 'in-app:b', 'in-app:c'])
    expect(b.calls.unwrap).toBe(before + 1)
    for (const provider of [a, b, c]) {
      const alone = createKeyring({ providers: [provider], store })
      expect((await keyAccess(alone).sealingKey()).version).toBe(2)
    }
  })

  it('does without one that is unavailable or not configured, and says so', async () => {
    const [a, b, c] = [scriptedProvider('a'), scriptedProvider('b'), scriptedProvider('c')]
    const { keyring, store } = keyringOver([a, b, c])
    await keyring.ready()
    await addProvider(keyring, { provider: b })
    await addProvider(keyring, { provider: c })
    b.wrapKey = () => Promise.reject(down())
    const { events, onEvent } = eventLog()
    const without = createKeyring({ providers: [a, b], store, onEvent })
    const { keyId } = await rotateKek(without, { purpose: 'data' })
    expect(await providersOf(keyring, 2)).toEqual(['in-app:a'])
    const missing = events.flatMap((event) =>
      event.type === 'wrap-missing' ? [[event.keyId, event.providerUri]] : [],
    )
    expect(missing.sort()).toEqual([
      [keyId, 'in-app:b'],
      [keyId, 'in-app:c'],
    ])
  })

  it('is not made where a wrap of any provider opens to other bytes', async () => {
    const [a, b] = [scriptedProvider('a'), scriptedProvider('b')]
    const { keyring } = keyringOver([a, b])
    await keyring.ready()
    await addProvider(keyring, { provider: b })
    for (const broken of [a, b]) {
      const { wrapKey } = broken
      broken.wrapKey = (_key, context) => wrapKey(Buffer.alloc(32, 1), context)
      await rejection(rotateKek(keyring, { purpose: 'data' }), 'ERR_KEY_INTEGRITY')
      broken.wrapKey = wrapKey
    }
    expect(await versions(keyring, 'data')).toEqual([[1, 'active']])
  })
})

describe("a data key with wrapping 'provider'", () => {
  it('has no material and names its provider, which was tried; index keys are as ever', async () => {
    const provider = scriptedProvider()
    const { keyring, store } = keyringOver([provider], { wrapping: 'provider' })
    await keyring.ready()
    const { keys } = await store.loadKeys('default')
    const [data, index] = ['data', 'index'].map((wanted) =>
      keys.find(({ purpose }) => purpose === wanted),
    )
    expect(data).toMatchObject({ version: 1, state: 'active', kcv: { length: 0 } })
    expect(data?.wraps).toMatchObject([{ providerUri: provider.uri, wrapped: { length: 0 } }])
    expect(index?.kcv).toHaveLength(32)
    expect(provider.calls).toMatchObject({ wrap: 2, unwrap: 2 })
  })

  it('is not made where the provider cannot wrap, or not open what it wrapped', async () => {
    const answers: [Partial<KeyProvider>, string][] = [
      [{ wrapKey: () => Promise.reject(down()) }, 'ERR_KEY_PROVIDER'],
      [{ wrapKey: async () => Buffer.alloc(0) }, 'ERR_KEY_PROVIDER'],
      [{ wrapKey: async () => Buffer.alloc(1025) }, 'ERR_KEY_PROVIDER'],
      [{ unwrapKey: () => Promise.reject(down()) }, 'ERR_KEY_PROVIDER'],
      [{ unwrapKey: async () => Buffer.alloc(32) }, 'ERR_KEY_INTEGRITY'],
      [{ unwrapKey: async () => Buffer.alloc(31) }, 'ERR_KEY_INTEGRITY'],
    ]
    for (const [answer, code] of answers) {
      const provider = { ...scriptedProvider(), ...answer }
      const { keyring, store } = keyringOver([provider], { wrapping: 'provider' })
      await rejection(rotateKek(keyring, { purpose: 'data' }), code)
      expect((await store.loadKeys('default')).keys).toEqual([])
    }
  })

  it('follows a local key and is followed by one, whose values all open', async () => {
    const [a, b] = [scriptedProvider('a'), scriptedProvider('b')]
    const { keyring: local, store } = keyringOver([a, b])
    const strict = createKeyring({ providers: [b, a], store, wrapping: 'provider' })
    const field = { field: 'person.name', exact: true }
    const first = await createFieldCipher(local, field).seal('Ada')
    await addProvider(local, { provider: b })
    await rotateKek(strict, { purpose: 'data' })
    const second = await createFieldCipher(strict, field).seal('Grace')
    expect([second?.[1], await providersOf(local, 2)]).toEqual([8, ['in-app:b']])
    await rotateKek(local, { purpose: 'data' })
    expect(await providersOf(local, 3)).toEqual(['in-app:a'])
    for (const keyring of [local, strict]) {
      expect(await createFieldCipher(keyring, field).openMany([first, second])).toEqual([
        'Ada',
        'Grace',
      ])
    }
    const tokens = [local, strict].map((keyring) => createFieldCipher(keyring, field).token('Ada'))
    const [one, other] = await Promise.all(tokens)
    expect(one).toEqual(other)
  })

  it('costs one call per value written, one per value read cold, none warm', async () => {
    const provider = scriptedProvider()
    const { keyring, store } = keyringOver([provider], { wrapping: 'provider' })
    await keyring.ready()
    const cipher = createFieldCipher(keyring, { field: 'person.name' })
    const { wrap, unwrap } = { ...provider.calls }
    const warnings: string[] = []
    const onWarning = ({ name }: Error) => warnings.push(name)
    process.on('warning', onWarning)
    const values = Array.from({ length: 1000 }, (_, i) => `value ${i}`)
    const sealed = await cipher.sealMany(values)
    expect(provider.calls).toMatchObject({ wrap: wrap + 1000, unwrap })
    expect(await cipher.openMany(sealed)).toEqual(values)
    expect(provider.calls.unwrap).toBe(unwrap + 1000)
    expect(await cipher.openMany(sealed)).toEqual(values)
    expect(provider.calls.unwrap).toBe(unwrap + 1000)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
    await keyring.close()
    const other = createKeyring({ providers: [provider], store, wrapping: 'provider' })
    const forged = Buffer.from(sealed[3] as Buffer)
    forged[20]! ^= 1
    const again = createFieldCipher(other, { field: 'person.name' })
    await rejection(again.open(forged), 'ERR_DECRYPTION_FAILED')
    expect(await again.open(sealed[4] as Buffer)).toBe('value 4')
    provider.failure = down()
    await rejection(again.open(sealed[5] as Buffer), 'ERR_KEY_PROVIDER')
    expect(await again.open(sealed[4] as Buffer)).toBe('value 4')
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
