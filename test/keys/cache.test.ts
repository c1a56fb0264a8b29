import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MortiseError } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import { KeyCache } from '../../src/keys/cache'
import { ignoreEvent } from '../../src/keys/events'
import { createKeyring, keyAccess } from '../../src/keys/keyring'
import type { UnlockedKey } from '../../src/keys/unlock'
import { someKey } from '../key-store/records'
import {
  afterTime,
  eventLog,
  rejection,
  scriptedProvider,
  scriptedStore,
  someSession,
} from './fixtures'

const SOFT = 300_000
const HARD = 3_600_000
const unavailable = () => new MortiseError('ERR_KEY_PROVIDER', 'timeout', { retryable: true })

/** A warm keyring, made by another process, and what it runs on. */
async function cold() {
  const provider = scriptedProvider()
  const store = scriptedStore(memoryKeyStore())
  await createKeyring({ providers: [provider], store }).ready()
  provider.calls.unwrap = 0
  const log = eventLog()
  const keyring = createKeyring({ providers: [provider], store, onEvent: log.onEvent })
  const keys = await store.loadKeys('default')
  const id = keys.keys.find(({ purpose }) => purpose === 'data')?.id ?? ''
  store.reads.keys = 0
  return { provider, store, keyring, access: keyAccess(keyring), id, events: log.events }
}

/** Lets background work that needs no timers finish. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

describe('3,000 concurrent cold lookups', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it.each<[string, (access: ReturnType<typeof keyAccess>, id: string) => Promise<unknown>]>([
    ['for sealing', (access) => access.sealingKey()],
    ['for opening', (access, id) => access.openingKeys([id])],
    [
      'each with a session of its own',
      (access, id) => access.openingKeys([id], someSession(false)),
    ],
    ['each in a transaction', (access) => access.sealingKey(someSession(true))],
  ])('%s are one provider call', async (_what, use) => {
    const { provider, access, id } = await cold()
    await Promise.all(Array.from({ length: 3000 }, () => use(access, id)))
    expect(provider.calls.unwrap).toBe(1)
  })

  it('are one store read where they bring no session', async () => {
    const { store, access } = await cold()
    await Promise.all(Array.from({ length: 3000 }, () => access.sealingKey()))
    expect(store.reads.keys).toBe(1)
  })

  it('make the first key once', async () => {
    const provider = scriptedProvider()
    const store = memoryKeyStore()
    const access = keyAccess(createKeyring({ providers: [provider], store }))
    const keys = await Promise.all(Array.from({ length: 3000 }, () => access.sealingKey()))
    expect(new Set(keys.map(({ id }) => id)).size).toBe(1)
    expect(provider.calls).toMatchObject({ wrap: 1, unwrap: 1 })
    expect((await store.loadKeys('default')).keys).toHaveLength(1)
  })

  it('share a failure and recover from it', async () => {
    vi.useFakeTimers()
    const { provider, access } = await cold()
    provider.failure = new MortiseError('ERR_KEY_PROVIDER', 'disabled', { failure: 'state' })
    const failing = Array.from({ length: 100 }, () => access.sealingKey())
    const errors = await Promise.all(failing.map((one) => one.catch((error: unknown) => error)))
    expect(new Set(errors).size).toBe(1)
    expect(provider.calls.unwrap).toBe(1)
    provider.failure = undefined
    vi.advanceTimersByTime(1_000)
    await access.sealingKey()
  })
})

describe('the TTLs of an unlocked key', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('keep it without any provider call before the soft one', async () => {
    const { provider, access, id } = await cold()
    await access.sealingKey()
    for (let passed = 0; passed < SOFT * 0.9; passed += 20_000) {
      await access.openingKeys([id])
      expect(access.loadedOpeningKey(id)?.id).toBe(id)
      vi.advanceTimersByTime(20_000)
    }
    expect(provider.calls.unwrap).toBe(1)
  })

  it('ask the provider again in the background after the soft one, without anybody waiting', async () => {
    const { provider, access } = await cold()
    const before = await access.sealingKey()
    vi.advanceTimersByTime(SOFT * 1.1)
    let release = () => {}
    provider.gate = new Promise((resolve) => {
      release = resolve
    })
    const during = await Promise.all(Array.from({ length: 50 }, () => access.sealingKey()))
    expect(new Set(during)).toEqual(new Set([before]))
    expect(provider.calls.unwrap).toBe(2)
    release()
    await settle()
    const after = await access.sealingKey()
    expect(after).not.toBe(before)
    expect(after.dekWrapKey.equals(before.dekWrapKey)).toBe(true)
    vi.advanceTimersByTime(SOFT * 0.9 - 1)
    await access.sealingKey()
    expect(provider.calls.unwrap).toBe(2)
  })

  it('let it outlive an unavailable provider until the hard one, then fail closed', async () => {
    const { provider, access, id, events } = await cold()
    await access.sealingKey()
    provider.failure = unavailable()
    for (let passed = 0; passed < HARD - 60_000; passed += 60_000) {
      await vi.advanceTimersByTimeAsync(60_000)
      await access.sealingKey()
    }
    expect(provider.calls.unwrap).toBeGreaterThan(10)
    await vi.advanceTimersByTimeAsync(60_001)
    expect(access.loadedOpeningKey(id)).toBeUndefined()
    await afterTime(10_000, rejection(access.sealingKey(), 'ERR_KEY_PROVIDER'))
    await afterTime(10_000, rejection(access.openingKeys([id]), 'ERR_KEY_PROVIDER'))
    const stale = events.filter(({ type }) => type === 'key-stale-used')
    expect(stale.length).toBeGreaterThan(10)
    expect(stale[0]).toMatchObject({ keyId: id, ageMs: expect.any(Number) })
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'key-evicted', keyId: id, reason: 'expired' }),
    )
    provider.failure = undefined
    await vi.advanceTimersByTimeAsync(5_000)
    expect((await access.openingKeys([id])).size).toBe(1)
  })

  it('do not let an outage become a storm of background calls', async () => {
    const { provider, access } = await cold()
    await access.sealingKey()
    vi.advanceTimersByTime(SOFT * 1.1)
    provider.failure = unavailable()
    for (let i = 0; i < 100; i++) {
      await access.sealingKey()
      await vi.advanceTimersByTimeAsync(100)
    }
    // Five until the breaker opens, and one each time it lets one through.
    expect(provider.calls.unwrap).toBeGreaterThanOrEqual(1 + 5)
    expect(provider.calls.unwrap).toBeLessThanOrEqual(1 + 7)
  })

  it.each([
    ['error', {}, 'ERR_KEY_PROVIDER'],
    ['state', { failure: 'state' }, 'ERR_KEY_PROVIDER'],
    ['access', { failure: 'access' }, 'ERR_KEY_PROVIDER'],
    ['integrity', { failure: 'integrity' }, 'ERR_KEY_INTEGRITY'],
  ] as const)(
    'take it away at once where a background call fails with %s',
    async (reason, details, code) => {
      const failure = () => new MortiseError(code, 'no', details)
      const { provider, access, id, events } = await cold()
      await access.sealingKey()
      vi.advanceTimersByTime(SOFT * 1.1)
      provider.failure = failure()
      await access.sealingKey()
      await settle()
      expect(access.loadedOpeningKey(id)).toBeUndefined()
      await rejection(access.sealingKey(), code)
      expect(events.some(({ type }) => /integrity|unavailable/.test(type))).toBe(true)
      expect(events).toContainEqual(
        expect.objectContaining({ type: 'key-evicted', keyId: id, reason }),
      )
      for (let i = 0; i < 20; i++) await rejection(access.sealingKey(), code)
      expect(provider.calls.unwrap).toBe(2)
    },
  )

  it('can be chosen', async () => {
    const provider = scriptedProvider()
    const store = memoryKeyStore()
    const cache = { softTtlMs: 1_000, hardTtlMs: 2_000 }
    const access = keyAccess(createKeyring({ providers: [provider], store, cache }))
    await access.sealingKey()
    provider.failure = unavailable()
    vi.advanceTimersByTime(1_999)
    await access.sealingKey()
    await vi.advanceTimersByTimeAsync(1)
    await afterTime(10_000, rejection(access.sealingKey(), 'ERR_KEY_PROVIDER'))
  })

  it('apply to token keys as well', async () => {
    const { provider, access } = await cold()
    const exact = { normaliser: '', bits: 128, group: null }
    await access.declareIndexes([{ fieldId: 'a.b', exact, range: null, next: null }])
    const name = { kind: 'field', name: 'a.b' } as const
    const key = await access.tokenKey(name)
    expect(await access.tokenKey(name)).toBe(key)
    expect(provider.calls.unwrap).toBe(1)
    vi.advanceTimersByTime(HARD)
    provider.failure = unavailable()
    await afterTime(10_000, rejection(access.tokenKey(name), 'ERR_KEY_PROVIDER'))
    provider.failure = undefined
    await vi.advanceTimersByTimeAsync(5_000)
    expect((await access.tokenKey(name)).key.equals(key.key)).toBe(true)
  })

  it('run no timers', async () => {
    const { access } = await cold()
    await access.ready()
    vi.advanceTimersByTime(2_000)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('KeyCache', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  const unlocked = { purpose: 'index', providerUri: 'in-app:x' } as UnlockedKey
  const times = { softTtlMs: SOFT, hardTtlMs: HARD }

  it('holds 1,000 keys and drops the oldest beyond that', async () => {
    let calls = 0
    const cache = new KeyCache(
      async () => {
        calls++
        return unlocked
      },
      times,
      ignoreEvent,
    )
    const records = Array.from({ length: 1001 }, () => someKey())
    for (const record of records) await cache.get(record)
    expect(records.filter((record) => cache.peek(record) !== undefined)).toHaveLength(1000)
    expect(cache.peek(records[0]!)).toBeUndefined()
    await cache.get(records[0]!)
    expect(calls).toBe(1002)
  })

  it('does not serve a record whose identity or check value changed', async () => {
    const cache = new KeyCache(async () => unlocked, times, ignoreEvent)
    const record = someKey()
    for (const change of [
      { kcv: Buffer.alloc(32) },
      { version: 2 },
      { purpose: 'index' as const },
      { domain: 'other' },
    ]) {
      await cache.get(record)
      expect(cache.peek({ ...record })).toBe(unlocked)
      expect(cache.peek({ ...record, ...change })).toBeUndefined()
    }
  })

  it('opens at most 20 keys anew at a time; the others serve on meanwhile', async () => {
    vi.useFakeTimers()
    let calls = 0
    let running = 0
    let most = 0
    const open = async () => {
      calls++
      running++
      most = Math.max(most, running)
      await new Promise((resolve) => setTimeout(resolve, 100))
      running--
      return unlocked
    }
    const cache = new KeyCache(open, times, ignoreEvent)
    const records = Array.from({ length: 50 }, () => someKey())
    for (const record of records) cache.put(record, unlocked)
    vi.advanceTimersByTime(SOFT * 1.1)
    for (let round = 0; round < 3; round++) {
      for (const record of records) expect(cache.peek(record)).toBe(unlocked)
      expect(running).toBe(Math.min(20, 50 - round * 20))
      await vi.advanceTimersByTimeAsync(100)
    }
    expect([calls, most]).toEqual([50, 20])
  })

  it('lets go of keys that nobody asks for any more when another one comes', async () => {
    vi.useFakeTimers()
    const { events, onEvent } = eventLog()
    const cache = new KeyCache(async () => unlocked, times, onEvent)
    const [old, other] = [someKey(), someKey()]
    await cache.get(old)
    expect(cache.holds(old)).toBe(true)
    vi.advanceTimersByTime(HARD)
    expect(cache.holds(old)).toBe(false)
    expect(events).toEqual([])
    await cache.get(other)
    expect(events).toMatchObject([{ type: 'key-evicted', keyId: old.id, reason: 'expired' }])
  })

  it('reports each use and what leaves it', async () => {
    const { all, onEvent } = eventLog()
    const cache = new KeyCache(async () => unlocked, times, onEvent)
    const record = someKey()
    await cache.get(record)
    cache.peek(record)
    await cache.get(record)
    cache.retain(() => false)
    const about = { domain: record.domain, purpose: record.purpose, keyId: record.id, version: 1 }
    expect(all).toEqual([
      { type: 'key-cache-hit', ...about },
      { type: 'key-cache-hit', ...about },
      { type: 'key-evicted', ...about, reason: 'store' },
    ])
  })

  it('keeps nothing after discard, not even what is being unlocked', async () => {
    let finish = (_key: UnlockedKey) => {}
    const cache = new KeyCache(
      () =>
        new Promise((resolve) => {
          finish = resolve
        }),
      times,
      ignoreEvent,
    )
    const record = someKey()
    const pending = cache.get(record)
    await Promise.resolve()
    cache.discard()
    finish(unlocked)
    await pending
    expect(cache.peek(record)).toBeUndefined()
  })
})
