import { describe, expect, it } from 'vitest'
import { createFieldCipher } from '../../src/field/field-cipher'
import type { KeyRecord } from '../../src/key-store/store'
import { createKeyring } from '../../src/keys/keyring'
import { addProvider } from '../../src/rotation/add-provider'
import { dropProvider } from '../../src/rotation/drop-provider'
import { disableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { rejection } from '../keys/fixtures'
import { impostorOf, keyringOf, providers, unavailable, wrapsOf } from './providers'

/** Two providers that both wrap both keys, and the store of their keyring. */
async function wrappedByBoth() {
  const { a, b } = providers('a', 'b')
  const made = keyringOf([a, b])
  await made.keyring.ready()
  await addProvider(made.keyring, { provider: b })
  return { a, b, ...made }
}

describe('dropProvider', () => {
  it('takes its wraps and its place, after the others have opened every key', async () => {
    const { a, b, keyring, store } = await wrappedByBoth()
    const cipher = createFieldCipher(keyring, { field: 'person.name' })
    const sealed = await cipher.seal('Ada')
    const opened = b.calls.unwrap
    const ids = (await keyring.keys()).map(({ id }) => id)
    const report = await dropProvider(keyring, { uri: a.uri })
    expect({ ...report, dropped: [...report.dropped].sort() }).toEqual({
      providerUri: 'in-app:a',
      dropped: ids.sort(),
    })
    expect(b.calls.unwrap).toBe(opened + 2)
    expect(a.calls.close).toBe(1)
    expect(await wrapsOf(keyring)).toEqual(['data 1: b', 'index 1: b'])
    expect(await cipher.open(sealed)).toBe('Ada')
    await rotateKek(keyring, { purpose: 'data' })
    expect(await wrapsOf(keyring)).toEqual(['data 1: b', 'data 2: b', 'index 1: b'])
    const stranger = createFieldCipher(keyringOf([a], store).keyring, { field: 'person.name' })
    await rejection(stranger.open(sealed), 'ERR_KEY_PROVIDER')
  })

  it('refuses the last wrap of any key before it takes any other', async () => {
    const { a, b, keyring } = await wrappedByBoth()
    b.wrapKey = () => Promise.reject(unavailable())
    const { keyId } = await rotateKek(keyring, { purpose: 'data' })
    const before = await wrapsOf(keyring)
    const error = await rejection(dropProvider(keyring, { uri: a.uri }), 'ERR_KEY_STATE')
    expect(error.message).toContain(`data key ${keyId} (version 2)`)
    expect(error.message).toContain('addProvider')
    expect(await wrapsOf(keyring)).toEqual(before)
    expect(before).toContain('data 2: a')
    expect(a.calls.close).toBe(0)
  })

  it('counts a disabled key, which may be needed again, and not a destroyed one', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, store } = keyringOf([a])
    await keyring.ready()
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    const old = { keyId: previousKeyId as string }
    await addProvider(keyring, { provider: b })
    const [first] = (await store.loadKeys('default')).keys as [KeyRecord]
    await store.replaceWraps(first, [first.wraps[0] as never])
    await disableKey(keyring, old)
    const error = await rejection(dropProvider(keyring, { uri: a.uri }), 'ERR_KEY_STATE')
    expect(error.message).toContain(old.keyId)
    await store.changeState(old.keyId, 'disabled', 'destroyed')
    expect((await dropProvider(keyring, { uri: a.uri })).dropped).not.toContain(old.keyId)
  })

  it('believes no cache: a provider that does not open now is no replacement', async () => {
    const { a, b, keyring } = await wrappedByBoth()
    const before = await wrapsOf(keyring)
    b.failure = unavailable()
    const error = await rejection(dropProvider(keyring, { uri: a.uri }), 'ERR_KEY_PROVIDER')
    expect(error).toMatchObject({ failure: 'state' })
    expect(await wrapsOf(keyring)).toEqual(before)
  })

  it('needs one of the others to answer, not all', async () => {
    const { a, b, keyring } = await wrappedByBoth()
    const { c } = providers('c')
    await addProvider(keyring, { provider: c })
    b.failure = unavailable()
    expect((await dropProvider(keyring, { uri: a.uri })).dropped).toHaveLength(2)
    expect(await wrapsOf(keyring)).toEqual(['data 1: b c', 'index 1: b c'])
  })

  it('refuses to leave a key with a wrap that is not its own', async () => {
    const { a, b, keyring, store } = await wrappedByBoth()
    const { c } = providers('c')
    await addProvider(keyring, { provider: c })
    const before = await wrapsOf(keyring)
    store.edit = (key) => ({
      ...key,
      wraps: key.wraps.map((wrap) =>
        wrap.providerUri === b.uri ? { ...wrap, wrapped: Buffer.alloc(40, 7) } : wrap,
      ),
    })
    await rejection(dropProvider(keyring, { uri: a.uri }), 'ERR_KEY_INTEGRITY')
    store.edit = undefined
    expect(await wrapsOf(keyring)).toEqual(before)
    const misconfigured = keyringOf([a, impostorOf(b)], store)
    const refused = dropProvider(misconfigured.keyring, { uri: a.uri })
    await rejection(refused, 'ERR_KEY_INTEGRITY')
  })

  it('refuses where this keyring cannot ask those that remain', async () => {
    const { a, store } = await wrappedByBoth()
    const { c } = providers('c')
    const other = keyringOf([a, c], store)
    const error = await rejection(dropProvider(other.keyring, { uri: a.uri }), 'ERR_CONFIG')
    expect(error.message).toContain('in-app:b')
  })

  it('refuses the only provider, and one that nobody knows', async () => {
    const { a } = providers('a')
    const { keyring } = keyringOf([a])
    await keyring.ready()
    await rejection(dropProvider(keyring, { uri: a.uri }), 'ERR_CONFIG')
    const error = await rejection(dropProvider(keyring, { uri: 'in-app:typo' }), 'ERR_CONFIG')
    expect(error.message).toContain('in-app:a')
  })

  it('drops wraps of a provider that is no longer configured', async () => {
    const { b, store } = await wrappedByBoth()
    const { keyring } = keyringOf([b], store)
    expect((await dropProvider(keyring, { uri: 'in-app:a' })).dropped).toHaveLength(2)
    expect(await wrapsOf(keyring)).toEqual(['data 1: b', 'index 1: b'])
  })

  it('is completed by running it again, wherever it was interrupted', async () => {
    for (const failAt of [1, 2]) {
      const { a, b, store } = await wrappedByBoth()
      const first = keyringOf([a, b], store)
      const { replaceWraps } = store
      let calls = 0
      store.replaceWraps = (key, wraps) =>
        ++calls === failAt ? Promise.reject(new Error('crash')) : replaceWraps(key, wraps)
      await expect(dropProvider(first.keyring, { uri: a.uri })).rejects.toThrow()
      store.replaceWraps = replaceWraps
      const left = (await wrapsOf(first.keyring)).filter((wraps) => wraps.endsWith('a b'))
      expect(left).toHaveLength(3 - failAt)
      const next = keyringOf([a, b], store)
      expect((await dropProvider(next.keyring, { uri: a.uri })).dropped).toHaveLength(3 - failAt)
      expect(await wrapsOf(next.keyring)).toEqual(['data 1: b', 'index 1: b'])
    }
  })

  it('also takes the wrap that a rotation kept meanwhile', async () => {
    const { a, b, keyring, store } = await wrappedByBoth()
    const other = keyringOf([a, b], store)
    const { replaceWraps } = store
    store.replaceWraps = async (key, wraps) => {
      store.replaceWraps = replaceWraps
      await rotateKek(other.keyring, { purpose: 'data' })
      return replaceWraps(key, wraps)
    }
    expect((await dropProvider(keyring, { uri: a.uri })).dropped).toHaveLength(3)
    expect(await wrapsOf(keyring)).toEqual(['data 1: b', 'data 2: b', 'index 1: b'])
  })

  it('refuses where another process dropped the other wrap meanwhile', async () => {
    const { a, keyring, store } = await wrappedByBoth()
    const { replaceWraps } = store
    store.replaceWraps = async (key, wraps) => {
      store.replaceWraps = replaceWraps
      await replaceWraps(key, [key.wraps[0] as never])
      return replaceWraps(key, wraps)
    }
    await rejection(dropProvider(keyring, { uri: a.uri }), 'ERR_KEY_STATE')
    for (const wraps of await wrapsOf(keyring)) expect(wraps).toMatch(/: a( b)?$/)
  })

  it('refuses while a key without material needs it, until that key is disabled', async () => {
    const { a, b } = providers('a', 'b')
    const { store } = keyringOf([a])
    const strict = createKeyring({ providers: [a], store, wrapping: 'provider' })
    await strict.ready()
    await addProvider(strict, { provider: b })
    const error = await rejection(dropProvider(strict, { uri: a.uri }), 'ERR_KEY_STATE')
    const id = (await strict.keys())[0]?.id as string
    expect(error.message).toContain(id)
    expect(error.message).toContain('rewrap')
    const moving = createKeyring({ providers: [b, a], store, wrapping: 'provider' })
    await rotateKek(moving, { purpose: 'data' })
    await disableKey(moving, { keyId: id })
    expect((await dropProvider(moving, { uri: a.uri })).dropped).toHaveLength(1)
    expect(await wrapsOf(moving)).toEqual(['data 1: a', 'data 2: b', 'index 1: b'])
  })

  it('refuses a closed keyring', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring } = keyringOf([a, b])
    await keyring.ready()
    await keyring.close()
    await rejection(dropProvider(keyring, { uri: a.uri }), 'ERR_CLOSED')
  })
})

describe('moving', () => {
  it('from one provider to another and back leaves keys and values as they were', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, store } = keyringOf([a])
    const cipher = createFieldCipher(keyring, { field: 'person.name', exact: true })
    const sealed = await cipher.seal('Ada')
    const token = await cipher.token('Ada')
    const identities = async () =>
      (await store.loadKeys('default')).keys.map(({ id, kcv, state }) => ({ id, kcv, state }))
    const before = await identities()
    const sequence = [
      [a, b],
      [b, a],
    ] as const
    for (const [from, to] of sequence) {
      const moving = keyringOf([from, to], store).keyring
      await addProvider(moving, { provider: to })
      await dropProvider(moving, { uri: from.uri })
      const there = createFieldCipher(keyringOf([to], store).keyring, {
        field: 'person.name',
        exact: true,
      })
      expect(await there.open(sealed)).toBe('Ada')
      expect(await there.token('Ada')).toEqual(token)
      expect(await identities()).toEqual(before)
    }
  })
})
