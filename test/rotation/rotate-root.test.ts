import { describe, expect, it } from 'vitest'
import { createKeyring } from '../../src/keys/keyring'
import type { KeyProvider } from '../../src/providers/provider'
import { addProvider } from '../../src/rotation/add-provider'
import { rotateRoot } from '../../src/rotation/rotate-root'
import { rejection, scriptedProvider } from '../keys/fixtures'
import { keyringOf, providers, unavailable, wrapsOf } from './providers'

/**
 * A service that wraps inside: blobs begin with the version of the root that made them, and
 * `rewrapKey` moves them to the present one without handing out a key.
 */
function rotatingProvider(name: string) {
  const roots = [scriptedProvider(name)]
  const calls = { rewrap: 0, unwrap: 0 }
  const present = () => roots[roots.length - 1] as KeyProvider
  const provider: KeyProvider = {
    uri: `in-app:${name}`,
    wrapKey: async (key, context) =>
      Buffer.concat([Buffer.of(roots.length), await present().wrapKey(key, context)]),
    unwrapKey: async (wrapped, context) => {
      calls.unwrap++
      const root = roots[(wrapped[0] ?? 0) - 1] as KeyProvider
      return root.unwrapKey(wrapped.subarray(1), context)
    },
    rewrapKey: async (wrapped, context, sourceUri) => {
      if (sourceUri !== `in-app:${name}`) return null
      calls.rewrap++
      const root = roots[(wrapped[0] ?? 0) - 1] as KeyProvider
      return provider.wrapKey(await root.unwrapKey(wrapped.subarray(1), context), context)
    },
  }
  return { provider, calls, rotate: () => roots.push(scriptedProvider(name)) }
}

describe('rotateRoot', () => {
  it('has the service wrap every key anew, and opens the result before it counts', async () => {
    const { provider, calls, rotate } = rotatingProvider('kms')
    const { keyring, store } = keyringOf([provider])
    await keyring.ready()
    rotate()
    calls.unwrap = 0
    const report = await rotateRoot(keyring)
    expect(report).toMatchObject({ from: 'in-app:kms', to: 'in-app:kms', skipped: [] })
    expect(report.rewrapped).toHaveLength(2)
    expect(calls).toEqual({ rewrap: 2, unwrap: 2 })
    const { keys } = await store.loadKeys('default')
    expect(keys.map(({ wraps }) => wraps.map(({ wrapped }) => wrapped[0]))).toEqual([[2], [2]])
  })

  it('wraps in this process where the service cannot, and leaves the source as it is', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring, store } = keyringOf([a, b])
    await keyring.ready()
    const before = (await store.loadKeys('default')).keys.map(({ wraps }) => wraps[0])
    const report = await rotateRoot(keyring, { from: a.uri, to: b.uri })
    expect(report).toMatchObject({ from: 'in-app:a', to: 'in-app:b' })
    expect(await wrapsOf(keyring)).toEqual(['data 1: a b', 'index 1: a b'])
    const after = (await store.loadKeys('default')).keys.map(({ wraps }) => wraps[0])
    expect(after).toEqual(before)
    expect(b.calls).toMatchObject({ wrap: 2, unwrap: 2 })
  })

  it('replaces a wrap of the target in its place', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring } = keyringOf([a, b])
    await keyring.ready()
    await addProvider(keyring, { provider: b })
    await rotateRoot(keyring, { from: b.uri, to: a.uri })
    expect(await wrapsOf(keyring)).toEqual(['data 1: a b', 'index 1: a b'])
  })

  it('defaults to the first provider, and to the same one as source', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring } = keyringOf([a, b])
    await keyring.ready()
    expect(await rotateRoot(keyring, { to: b.uri })).toMatchObject({
      from: 'in-app:b',
      to: 'in-app:b',
      rewrapped: [],
      skipped: [{ reason: 'is not wrapped by in-app:b' }, {}],
    })
    expect((await rotateRoot(keyring, { from: a.uri })).to).toBe('in-app:a')
  })

  it('keeps the old wrap where the new one cannot be made or does not open', async () => {
    const { provider, rotate } = rotatingProvider('kms')
    const { keyring, store } = keyringOf([provider])
    await keyring.ready()
    rotate()
    const stored = async () => (await store.loadKeys('default')).keys.map(({ wraps }) => wraps)
    const before = await stored()
    const { rewrapKey } = provider
    const answers: [KeyProvider['rewrapKey'], string][] = [
      [() => Promise.reject(unavailable()), 'ERR_KEY_PROVIDER'],
      [
        async (_blob, context) => provider.wrapKey(Buffer.alloc(32, 1), context),
        'ERR_KEY_INTEGRITY',
      ],
      [async () => new Uint8Array(0), 'ERR_KEY_PROVIDER'],
      [async () => new Uint8Array(1025), 'ERR_KEY_PROVIDER'],
    ]
    for (const [answer, code] of answers) {
      Object.assign(provider, { rewrapKey: answer })
      await rejection(rotateRoot(keyring), code)
      expect(await stored()).toEqual(before)
    }
    Object.assign(provider, { rewrapKey })
    expect((await rotateRoot(keyring)).rewrapped).toHaveLength(2)
  })

  it('takes up what another process changed meanwhile', async () => {
    const { provider, calls, rotate } = rotatingProvider('kms')
    const { b } = providers('b')
    const { keyring, store } = keyringOf([provider])
    const other = keyringOf([provider], store)
    await keyring.ready()
    rotate()
    const { replaceWraps } = store
    store.replaceWraps = async (key, wraps) => {
      store.replaceWraps = replaceWraps
      await addProvider(other.keyring, { provider: b })
      return replaceWraps(key, wraps)
    }
    expect((await rotateRoot(keyring)).rewrapped).toHaveLength(2)
    expect(await wrapsOf(keyring)).toEqual(['data 1: b kms', 'index 1: b kms'])
    expect(calls.rewrap).toBe(4)
  })

  it('refuses providers that the keyring does not have', async () => {
    const { a } = providers('a')
    const { keyring } = keyringOf([a])
    await keyring.ready()
    for (const options of [{ to: 'in-app:x' }, { from: 'in-app:x' }]) {
      const error = await rejection(rotateRoot(keyring, options), 'ERR_CONFIG')
      expect(error.message).toContain('in-app:x')
    }
  })

  it('passes by a key without material', async () => {
    const { a } = providers('a')
    const { store } = keyringOf([a])
    const keyring = createKeyring({ providers: [a], store, wrapping: 'provider' })
    await keyring.ready()
    const { rewrapped, skipped } = await rotateRoot(keyring)
    expect(rewrapped).toHaveLength(1)
    expect(skipped).toEqual([
      { keyId: expect.any(String), reason: expect.stringContaining('wraps each DEK itself') },
    ])
  })

  it('refuses a closed keyring', async () => {
    const { a, b } = providers('a', 'b')
    const { keyring } = keyringOf([a, b])
    await keyring.ready()
    await keyring.close()
    await rejection(rotateRoot(keyring), 'ERR_CLOSED')
  })
})
