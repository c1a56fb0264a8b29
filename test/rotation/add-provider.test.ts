import { describe, expect, it } from 'vitest'
import { createFieldCipher } from '../../src/field/field-cipher'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyWrap } from '../../src/key-store/store'
import { createKeyring } from '../../src/keys/keyring'
import { addProvider } from '../../src/rotation/add-provider'
import { disableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { rejection, scriptedProvider } from '../keys/fixtures'
import { keyringOf, providers, unavailable, wrapsOf } from './providers'

describe('addProvider', () => {
  it('wraps every live key, opens each new wrap, and lets a process with it alone read', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, store, events } = keyringOf([a])
    await keyring.ready()
    const cipher = createFieldCipher(keyring, { field: 'person.name' })
    const sealed = await cipher.seal('Ada')
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    await disableKey(keyring, { keyId: previousKeyId as string })
    const ids = (await keyring.keys()).map(({ id }) => id)
    const report = await addProvider(keyring, { provider: b })
    expect(report).toEqual({
      providerUri: 'in-app:b',
      added: expect.any(Array),
      present: [],
      skipped: [],
    })
    expect([...report.added].sort()).toEqual([...ids].sort())
    expect(b.calls).toMatchObject({ wrap: 3, unwrap: 3 })
    expect(await wrapsOf(keyring)).toEqual(['data 1: a b', 'data 2: a b', 'index 1: a b'])
    const changes = events.filter(({ type }) => type === 'key-wraps-changed')
    expect(changes).toHaveLength(3)
    expect(changes[0]).toMatchObject({ providerUris: ['in-app:a', 'in-app:b'] })
    const other = keyringOf([b], store)
    const again = createFieldCipher(other.keyring, { field: 'person.name' })
    await rejection(again.open(sealed), 'ERR_KEY_STATE')
    expect(await again.open(await cipher.seal('Grace'))).toBe('Grace')
  })

  it('leaves what is present, so that a second run does nothing', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, store } = keyringOf([a])
    await keyring.ready()
    const { added } = await addProvider(keyring, { provider: b })
    const epoch = await store.loadEpoch('default')
    const report = await addProvider(keyring, { provider: b })
    expect(report).toMatchObject({ added: [], present: added })
    expect(await store.loadEpoch('default')).toBe(epoch)
    expect(b.calls.wrap).toBe(2)
  })

  it('wraps what the provider missed while it was down', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, events } = keyringOf([a, b])
    await keyring.ready()
    await addProvider(keyring, { provider: b })
    const { wrapKey } = b
    b.wrapKey = () => Promise.reject(unavailable())
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    expect(events.filter(({ type }) => type === 'wrap-missing')).toEqual([
      {
        type: 'wrap-missing',
        domain: 'default',
        purpose: 'data',
        keyId,
        version: 2,
        providerUri: 'in-app:b',
      },
    ])
    expect(await wrapsOf(keyring)).toEqual(['data 1: a b', 'data 2: a', 'index 1: a b'])
    b.wrapKey = wrapKey
    expect(await addProvider(keyring, { provider: b })).toMatchObject({ added: [keyId] })
    expect(await wrapsOf(keyring)).toEqual(['data 1: a b', 'data 2: a b', 'index 1: a b'])
  })

  it('keeps what it stored where the provider fails in the middle, and goes on when run again', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring } = keyringOf([a])
    await keyring.ready()
    const { wrapKey } = b
    b.wrapKey = (...call) => (b.calls.wrap > 0 ? Promise.reject(unavailable()) : wrapKey(...call))
    await rejection(addProvider(keyring, { provider: b }), 'ERR_KEY_PROVIDER')
    expect((await wrapsOf(keyring)).filter((wraps) => wraps.endsWith('a b'))).toHaveLength(1)
    b.wrapKey = wrapKey
    const report = await addProvider(keyring, { provider: b })
    expect(report.added).toHaveLength(1)
    expect(report.present).toHaveLength(1)
  })

  it('stores nothing where what the provider wrapped opens to another key or not at all', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring } = keyringOf([a])
    await keyring.ready()
    const { wrapKey, unwrapKey } = b
    b.wrapKey = (_key, context) => wrapKey(Buffer.alloc(32, 1), context)
    await rejection(addProvider(keyring, { provider: b }), 'ERR_KEY_INTEGRITY')
    b.wrapKey = wrapKey
    b.unwrapKey = async () => Buffer.alloc(31)
    await rejection(addProvider(keyring, { provider: b }), 'ERR_KEY_INTEGRITY')
    b.unwrapKey = unwrapKey
    for (const bytes of [0, 1025]) {
      b.wrapKey = async () => Buffer.alloc(bytes)
      await rejection(addProvider(keyring, { provider: b }), 'ERR_KEY_PROVIDER')
    }
    expect(await wrapsOf(keyring)).toEqual(['data 1: a', 'index 1: a'])
  })

  it('by two processes at once adds both', async () => {
    const { a, b, c } = providers('a', 'b', 'c')
    const first = keyringOf([a])
    const second = keyringOf([a], first.store)
    await first.keyring.ready()
    await Promise.all([
      addProvider(first.keyring, { provider: b }),
      addProvider(second.keyring, { provider: c }),
    ])
    for (const wraps of await wrapsOf(first.keyring)) {
      expect(wraps.split(': ')[1]?.split(' ').sort()).toEqual(['a', 'b', 'c'])
    }
    expect(b.calls.wrap).toBe(2)
    expect(c.calls.wrap).toBe(2)
  })

  it('gives up, retryable, where the wraps change all the time', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, store } = keyringOf([a])
    await keyring.ready()
    let attempts = 0
    store.replaceWraps = async () => {
      attempts++
      return false
    }
    const error = await rejection(addProvider(keyring, { provider: b }), 'ERR_KEY_STORE')
    expect(error).toMatchObject({ retryable: true })
    expect(attempts).toBe(10)
    expect(b.calls.wrap).toBe(1)
  })

  it('passes by a key that was destroyed meanwhile', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, store } = keyringOf([a])
    await keyring.ready()
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    const id = previousKeyId as string
    const { replaceWraps } = store
    store.replaceWraps = async (key, wraps) => {
      if (key.id === id) await store.changeState(id, 'decrypt-only', 'destroyed')
      return key.id === id ? false : replaceWraps(key, wraps)
    }
    const { added } = await addProvider(keyring, { provider: b })
    expect(added).toHaveLength(2)
    expect(added).not.toContain(id)
    expect((await addProvider(keyring, { provider: b })).present).not.toContain(id)
  })

  it('refuses a ninth wrap, a ninth provider, and what is no provider', async () => {
    const eight = Array.from({ length: 8 }, (_, i) => scriptedProvider(`p${i}`))
    const { keyring, store } = keyringOf(eight)
    await keyring.ready()
    const ninth = scriptedProvider('p8')
    await rejection(addProvider(keyring, { provider: ninth }), 'ERR_CONFIG')
    const few = keyringOf(eight.slice(0, 1), store)
    const filler = (i: number): KeyWrap => {
      return { providerUri: `in-app:f${i}`, wrapped: Buffer.of(i), createdAt: new Date() }
    }
    const { keys } = await store.loadKeys('default')
    for (const key of keys) {
      await store.replaceWraps(key, [...key.wraps, ...[1, 2, 3, 4, 5, 6, 7].map(filler)])
    }
    const full = await rejection(addProvider(few.keyring, { provider: ninth }), 'ERR_KEY_STATE')
    expect(full.message).toContain('in-app:f7')
    for (const provider of [undefined, null, {}, { uri: 'in-app:x' }]) {
      await rejection(addProvider(keyring, { provider: provider as never }), 'ERR_CONFIG')
    }
  })

  it('refuses a closed keyring, and changes nothing where the store cannot be read', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, store } = keyringOf([a])
    await keyring.ready()
    const { loadKeys } = store
    store.loadKeys = () => Promise.reject(new Error('gone'))
    await expect(addProvider(keyring, { provider: b })).rejects.toThrow()
    store.loadKeys = loadKeys
    await keyring.close()
    expect(b.calls.close).toBe(0)
    await rejection(addProvider(keyring, { provider: b }), 'ERR_CLOSED')
  })

  it('says of a key without material that there is nothing to wrap', async () => {
    const { a, b } = providers('a', 'b')
    const store = memoryKeyStore()
    const keyring = createKeyring({ providers: [a], store, wrapping: 'provider' })
    await keyring.ready()
    const keys = await keyring.keys()
    const [data, index] = keys
    const report = await addProvider(keyring, { provider: b })
    expect(report).toMatchObject({ added: [index?.id], present: [] })
    expect(report.skipped).toEqual([
      { keyId: data?.id, reason: expect.stringContaining('in-app:a wraps each DEK itself') },
    ])
  })
})
