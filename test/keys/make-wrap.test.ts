import { describe, expect, it } from 'vitest'
import { randomBytes } from '../../src/crypto/random'
import { secretKey } from '../../src/crypto/secret-key'
import type { KeyRecord } from '../../src/key-store/store'
import { keyCheckValue } from '../../src/keys/derive'
import { makeWrap, moveWrap } from '../../src/keys/make-wrap'
import type { KeyProvider } from '../../src/providers/provider'
import { rejection, scriptedProvider } from './fixtures'

const IDENTITY = { id: '00112233445566aa', domain: 'default', purpose: 'data', version: 2 } as const

function newKek() {
  const kek = secretKey(randomBytes(32))
  const key: KeyRecord = {
    ...IDENTITY,
    state: 'active',
    kcv: keyCheckValue(kek, IDENTITY),
    createdAt: new Date(0),
    stateChangedAt: new Date(0),
    epoch: 1,
    wraps: [],
  }
  return { kek, key }
}

/** Keeps hold of every key byte that passes, as a careless provider would. */
function watched(provider: KeyProvider) {
  const seen: Uint8Array[] = []
  const watching: KeyProvider = {
    uri: provider.uri,
    wrapKey: (key, context) => {
      seen.push(key)
      return provider.wrapKey(key, context)
    },
    unwrapKey: async (wrapped, context) => {
      const bytes = await provider.unwrapKey(wrapped, context)
      seen.push(bytes)
      return bytes
    },
  }
  const expectZeroed = (count: number): void => {
    expect(seen).toHaveLength(count)
    for (const bytes of seen) expect(bytes.every((byte) => byte === 0)).toBe(true)
  }
  return { watching, expectZeroed }
}

describe('makeWrap', () => {
  it('gives a wrap that its provider opens to the key, and leaves no key bytes behind', async () => {
    const { kek, key } = newKek()
    const { watching, expectZeroed } = watched(scriptedProvider())
    const { wrap, unlocked } = await makeWrap(kek, key, watching)
    expect(wrap.providerUri).toBe(watching.uri)
    expect(unlocked.kek.equals(kek)).toBe(true)
    expectZeroed(2)
    expect((await moveWrap(wrap, key, watching, watching)).unlocked.kek.equals(kek)).toBe(true)
  })

  it('zeroes them also where the provider fails', async () => {
    const { kek, key } = newKek()
    const failing = { ...scriptedProvider(), wrapKey: () => Promise.reject(new Error('down')) }
    const { watching, expectZeroed } = watched(failing)
    await expect(makeWrap(kek, key, watching)).rejects.toThrow('down')
    expectZeroed(1)
  })

  it('refuses a wrap that opens to another key, and one that belongs to another identity', async () => {
    const { kek, key } = newKek()
    const provider = scriptedProvider()
    const other = { ...key, kcv: newKek().key.kcv }
    await rejection(makeWrap(kek, other, provider), 'ERR_KEY_INTEGRITY')
    const { wrap } = await makeWrap(kek, key, provider)
    const elsewhere = { ...key, version: 3, kcv: keyCheckValue(kek, { ...key, version: 3 }) }
    const moved = moveWrap(wrap, elsewhere, provider, scriptedProvider('b'))
    await rejection(moved, 'ERR_KEY_INTEGRITY')
  })
})

describe('moveWrap', () => {
  it('has the target wrap what the source opened, where it cannot do so by itself', async () => {
    const { kek, key } = newKek()
    const [a, b] = [watched(scriptedProvider('a')), watched(scriptedProvider('b'))]
    const { wrap } = await makeWrap(kek, key, a.watching)
    const noCall: KeyProvider = { ...b.watching, rewrapKey: async () => null }
    const moved = await moveWrap(wrap, key, a.watching, noCall)
    expect(moved.wrap.providerUri).toBe('in-app:b')
    expect(moved.unlocked.kek.equals(kek)).toBe(true)
    a.expectZeroed(3)
    b.expectZeroed(2)
  })
})
