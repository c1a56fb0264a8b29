import { afterEach, describe, expect, it, vi } from 'vitest'
import { randomBytes } from '../../src/crypto/random'
import { MortiseError } from '../../src/errors'
import type { KeyRecord } from '../../src/key-store/store'
import { isProviderKey, ProviderKeys } from '../../src/keys/provider-keys'
import type { KeyContext, KeyProvider } from '../../src/providers/provider'
import { rejection, scriptedProvider } from './fixtures'

const LIMITS = { ttlMs: 60_000, maxUses: 1000, maxCached: 1000, concurrency: 4 }

const RECORD: KeyRecord = {
  id: '00112233445566aa',
  domain: 'default',
  purpose: 'data',
  version: 3,
  state: 'active',
  kcv: new Uint8Array(0),
  createdAt: new Date(0),
  stateChangedAt: new Date(0),
  epoch: 1,
  wraps: [{ providerUri: 'in-app:primary', wrapped: new Uint8Array(0), createdAt: new Date(0) }],
}

function setUp(limits: Partial<typeof LIMITS> = {}, provider: KeyProvider = scriptedProvider()) {
  const asked: string[] = []
  const keys = new ProviderKeys({
    provider: async (uri) => {
      asked.push(uri)
      return provider
    },
    limits: { ...LIMITS, ...limits },
  })
  return { keys, asked }
}

/** Wraps of DEKs that follow from their place, as a page asks for them. */
async function page(keys: ProviderKeys, count: number): Promise<Map<string, Uint8Array>> {
  const key = keys.sealing(RECORD)
  const blobs = new Map<string, Uint8Array>()
  for (let i = 0; i < count; i++) {
    const wrapped = await key.wrapDek(Buffer.alloc(32, i + 1))
    blobs.set(Buffer.from(wrapped).toString('latin1'), wrapped)
  }
  return blobs
}

afterEach(() => {
  vi.useRealTimers()
})

describe('isProviderKey', () => {
  it('tells a key without material by its empty check value', () => {
    expect(isProviderKey(RECORD)).toBe(true)
    expect(isProviderKey({ ...RECORD, kcv: new Uint8Array(32) })).toBe(false)
  })
})

describe('sealing', () => {
  it('has the provider that the key names wrap each DEK, bound to the key as a dek', async () => {
    const provider = scriptedProvider()
    const wrapKey = vi.spyOn(provider, 'wrapKey')
    const { keys, asked } = setUp({}, provider)
    const key = keys.sealing(RECORD)
    expect(key).toMatchObject({ id: RECORD.id, domain: 'default', version: 3 })
    expect(key.idBytes.toString('hex')).toBe(RECORD.id)
    const dek = randomBytes(32)
    const wrapped = await key.wrapDek(dek)
    const { id, domain, purpose, version } = RECORD
    const context: KeyContext = { use: 'dek', id, domain, purpose, version }
    expect(wrapKey.mock.calls[0]?.slice(0, 2)).toEqual([dek, context])
    expect(await provider.unwrapKey(wrapped, context)).toEqual(dek)
    await rejection(provider.unwrapKey(wrapped, { ...context, use: 'kek' }), 'ERR_KEY_INTEGRITY')
    expect(asked).toEqual(['in-app:primary'])
  })

  it('accepts blobs of 1 and 1,024 bytes, and refuses 0 and 1,025', async () => {
    let bytes = 0
    const wrapKey = async () => Buffer.alloc(bytes)
    const { keys } = setUp({}, { ...scriptedProvider(), wrapKey })
    const wrap = () => keys.sealing(RECORD).wrapDek(randomBytes(32))
    for (bytes of [1, 1024]) expect(await wrap()).toHaveLength(bytes)
    for (bytes of [0, 1025]) {
      const { message } = await rejection(wrap(), 'ERR_KEY_PROVIDER')
      expect(message).toContain(`in-app:primary returned a wrapped DEK of ${bytes} bytes`)
    }
  })

  it('wraps as many at a time as allowed', async () => {
    const running = { now: 0, most: 0 }
    const wrapKey = async () => {
      running.most = Math.max(running.most, ++running.now)
      await new Promise((resolve) => setTimeout(resolve, 1))
      running.now--
      return Buffer.alloc(40)
    }
    const { keys } = setUp({}, { ...scriptedProvider(), wrapKey })
    const key = keys.sealing(RECORD)
    await Promise.all(Array.from({ length: 40 }, () => key.wrapDek(randomBytes(32))))
    expect(running).toEqual({ now: 0, most: LIMITS.concurrency })
  })

  it('refuses a key row that names no provider, several, or carries a wrap', async () => {
    const { keys, asked } = setUp()
    const [wrap] = RECORD.wraps as [KeyRecord['wraps'][0]]
    const second = { ...wrap, providerUri: 'in-app:second' }
    const filled = { ...wrap, wrapped: Buffer.alloc(40) }
    for (const wraps of [[], [wrap, second], [filled]]) {
      const key = keys.sealing({ ...RECORD, wraps })
      const { message } = await rejection(key.wrapDek(randomBytes(32)), 'ERR_KEY_INTEGRITY')
      expect(message).toContain(RECORD.id)
    }
    expect(asked).toEqual([])
  })
})

describe('opening', () => {
  it('unwraps what is not cached, each blob once, and reads the rest from memory', async () => {
    const provider = scriptedProvider()
    const { keys } = setUp({}, provider)
    const first = await page(keys, 10)
    const { id, domain, deks } = await keys.opening(RECORD, first)
    expect({ id, domain }).toEqual({ id: RECORD.id, domain: 'default' })
    expect([...deks.values()].map((dek) => dek.export()[0])).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ])
    expect(provider.calls.unwrap).toBe(10)
    const second = await page(keys, 12)
    expect((await keys.opening(RECORD, second)).deks.size).toBe(12)
    expect(provider.calls.unwrap).toBe(12)
  })

  it('never serves a DEK that was wrapped but not unwrapped', async () => {
    const provider = scriptedProvider()
    const { keys } = setUp({}, provider)
    const blobs = await page(keys, 1)
    expect(provider.calls.unwrap).toBe(0)
    await keys.opening(RECORD, blobs)
    expect(provider.calls.unwrap).toBe(1)
  })

  it('asks once for a blob that many pages wait for', async () => {
    const provider = scriptedProvider()
    const { keys } = setUp({}, provider)
    const blobs = await page(keys, 3)
    const pages = await Promise.all(Array.from({ length: 50 }, () => keys.opening(RECORD, blobs)))
    expect(pages.every(({ deks }) => deks.size === 3)).toBe(true)
    expect(provider.calls.unwrap).toBe(3)
  })

  it('unwraps a page of 1,000 with as many calls at a time as allowed', async () => {
    const running = { now: 0, most: 0 }
    const inner = scriptedProvider()
    const unwrapKey: KeyProvider['unwrapKey'] = async (wrapped, context) => {
      running.most = Math.max(running.most, ++running.now)
      await new Promise(setImmediate)
      running.now--
      return inner.unwrapKey(wrapped, context)
    }
    const { keys } = setUp({ concurrency: 16 }, { ...inner, unwrapKey })
    const key = keys.sealing(RECORD)
    const blobs = new Map<string, Uint8Array>()
    for (let i = 0; i < 1000; i++) {
      const wrapped = await key.wrapDek(randomBytes(32))
      blobs.set(Buffer.from(wrapped).toString('latin1'), wrapped)
    }
    expect((await keys.opening(RECORD, blobs)).deks.size).toBe(1000)
    expect(running).toEqual({ now: 0, most: 16 })
    expect(inner.calls.unwrap).toBe(1000)
  })

  it('honours the limits of time, uses and number', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    const calls = async (limits: Partial<typeof LIMITS>, between: () => void): Promise<number> => {
      const provider = scriptedProvider()
      const { keys } = setUp(limits, provider)
      const blobs = await page(keys, 3)
      for (let round = 0; round < 4; round++) {
        await keys.opening(RECORD, blobs)
        between()
      }
      return provider.calls.unwrap
    }
    expect(await calls({}, () => {})).toBe(3)
    expect(await calls({ ttlMs: 100 }, () => vi.advanceTimersByTime(100))).toBe(12)
    expect(await calls({ maxUses: 2 }, () => {})).toBe(6)
    expect(await calls({ maxCached: 0 }, () => {})).toBe(12)
  })

  it('forgets the DEKs of a key that may not be used any more, and all when discarded', async () => {
    const provider = scriptedProvider()
    const { keys } = setUp({}, provider)
    const blobs = await page(keys, 2)
    await keys.opening(RECORD, blobs)
    keys.retain((id) => id === RECORD.id)
    await keys.opening(RECORD, blobs)
    expect(provider.calls.unwrap).toBe(2)
    keys.retain(() => false)
    await keys.opening(RECORD, blobs)
    expect(provider.calls.unwrap).toBe(4)
    keys.discard()
    await keys.opening(RECORD, blobs)
    expect(provider.calls.unwrap).toBe(6)
  })

  it('leaves out a blob that does not authenticate or holds no DEK, and asks for it again', async () => {
    const inner = scriptedProvider()
    const short = Buffer.from('short')
    const unwrapKey: KeyProvider['unwrapKey'] = async (wrapped, context) =>
      short.equals(wrapped) ? Buffer.alloc(31) : inner.unwrapKey(wrapped, context)
    const { keys } = setUp({}, { ...inner, unwrapKey })
    const blobs = await page(keys, 2)
    blobs.set('forged', Buffer.alloc(40, 7)).set('short', short)
    for (let round = 1; round <= 2; round++) {
      const { deks } = await keys.opening(RECORD, blobs)
      expect(deks.size).toBe(2)
      expect(deks.has('forged') || deks.has('short')).toBe(false)
      expect(inner.calls.unwrap).toBe(2 + round)
    }
  })

  it('fails as a whole where the provider does, without asking it for the rest', async () => {
    const provider = scriptedProvider()
    const { keys } = setUp({ concurrency: 2 }, provider)
    const blobs = await page(keys, 20)
    provider.failure = new MortiseError('ERR_KEY_PROVIDER', 'throttled', {
      failure: 'transient',
      retryable: true,
    })
    const error = await rejection(keys.opening(RECORD, blobs), 'ERR_KEY_PROVIDER')
    expect(error).toMatchObject({ message: 'throttled', retryable: true })
    await new Promise(setImmediate)
    expect(provider.calls.unwrap).toBe(2)
    provider.failure = undefined
    expect((await keys.opening(RECORD, blobs)).deks.size).toBe(20)
  })

  it('zeroes the bytes that the provider gave', async () => {
    const given: Uint8Array[] = []
    const inner = scriptedProvider()
    const unwrapKey: KeyProvider['unwrapKey'] = async (wrapped, context) => {
      const bytes = await inner.unwrapKey(wrapped, context)
      given.push(bytes)
      return bytes
    }
    const { keys } = setUp({}, { ...inner, unwrapKey })
    await keys.opening(RECORD, await page(keys, 3))
    expect(given).toHaveLength(3)
    for (const bytes of given) expect(bytes.every((byte) => byte === 0)).toBe(true)
  })
})
