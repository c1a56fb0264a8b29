import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore, Session } from '../../src/key-store/store'
import { createKeyring, keyAccess } from '../../src/keys/keyring'
import { disableKey, enableKey } from '../../src/rotation/key-state'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { eventLog, rejection, scriptedProvider, scriptedStore, someSession } from './fixtures'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const BOUND = 5_000

/** Two processes over one store; `store` counts the reads of the first one. */
async function twoProcesses(epochPollMs?: number) {
  const shared = memoryKeyStore()
  const store = scriptedStore(shared)
  const provider = scriptedProvider()
  const log = eventLog()
  const cache = { epochPollMs }
  const here = createKeyring({ providers: [provider], store, cache, onEvent: log.onEvent })
  await here.ready()
  const there = createKeyring({ providers: [provider], store: shared })
  await there.ready()
  const access = keyAccess(here)
  const first = await access.sealingKey()
  store.reads.keys = 0
  store.reads.epoch = 0
  return { store, shared, provider, here, there, access, first, events: log.events }
}

describe('the epoch', () => {
  it('is asked for at most every 5 s, by uses alone', async () => {
    const { store, access, first } = await twoProcesses()
    for (let ms = 0; ms < 20_000; ms += 100) {
      await access.sealingKey()
      await access.openingKeys([first.id])
      vi.advanceTimersByTime(100)
    }
    expect(store.reads).toMatchObject({ epoch: 3, keys: 0 })
    vi.advanceTimersByTime(600_000)
    expect(store.reads.epoch).toBe(3)
  })

  it('is asked for every time where the poll is 0 ms', async () => {
    const { store, access, first } = await twoProcesses(0)
    await access.sealingKey()
    await access.openingKeys([first.id])
    expect(access.loadedOpeningKey(first.id)).toBeUndefined()
    expect(store.reads.epoch).toBe(2)
  })

  it('does not lose the state where the bound passes between two looks at the clock', async () => {
    const { access, first } = await twoProcesses()
    const now = performance.now()
    let looks = 0
    const clock = vi.spyOn(performance, 'now')
    clock.mockImplementation(() => now + (looks++ % 2) * BOUND)
    expect(await access.sealingKey()).toMatchObject({ id: first.id })
    clock.mockRestore()
  })

  it('is asked for once by many that bring no session', async () => {
    const { store, access } = await twoProcesses()
    vi.advanceTimersByTime(BOUND)
    await Promise.all(Array.from({ length: 100 }, () => access.sealingKey()))
    expect(store.reads.epoch).toBe(1)
  })

  it('makes a rotation by another process seen within the bound', async () => {
    const { there, access, first, events } = await twoProcesses()
    const { keyId } = await rotateKek(there, { purpose: 'data' })
    expect((await access.sealingKey()).id).toBe(first.id)
    vi.advanceTimersByTime(BOUND)
    expect((await access.sealingKey()).id).toBe(keyId)
    expect((await access.openingKeys([first.id])).get(first.id)?.id).toBe(first.id)
    expect(events).toContainEqual({
      type: 'epoch-changed',
      domain: 'default',
      epoch: 3,
      previousEpoch: 2,
    })
  })

  it('makes a key disabled by another process unusable within the bound, also for readers', async () => {
    const { there, access, first } = await twoProcesses()
    await rotateKek(there, { purpose: 'data' })
    await disableKey(there, { keyId: first.id })
    expect(access.loadedOpeningKey(first.id)).toBeDefined()
    vi.advanceTimersByTime(BOUND)
    expect(access.loadedOpeningKey(first.id)).toBeUndefined()
    await rejection(access.openingKeys([first.id]), 'ERR_KEY_STATE')
    await enableKey(there, { keyId: first.id })
    vi.advanceTimersByTime(BOUND)
    expect((await access.openingKeys([first.id])).size).toBe(1)
  })

  it('is not waited for by a key that this process does not know yet', async () => {
    const { there, access } = await twoProcesses()
    const { keyId } = await rotateKek(there, { purpose: 'data' })
    expect((await access.openingKeys([keyId])).get(keyId)?.version).toBe(2)
    expect((await access.sealingKey()).id).toBe(keyId)
  })

  it('fails closed where the store cannot be read', async () => {
    const { store, access, first } = await twoProcesses()
    store.loadEpoch = () => Promise.reject(new Error('down'))
    await access.sealingKey()
    vi.advanceTimersByTime(BOUND)
    await expect(access.sealingKey()).rejects.toThrow('down')
    await expect(access.openingKeys([first.id])).rejects.toThrow('down')
  })
})

describe('a key store that goes back', () => {
  it('to a lower epoch is refused, with a security event', async () => {
    const { store, access, first, events } = await twoProcesses()
    store.epochShift = -1
    vi.advanceTimersByTime(BOUND)
    const error = await rejection(access.sealingKey(), 'ERR_KEY_STORE_ROLLBACK')
    expect(error.message).toMatch(/epoch 1\).*epoch 2/)
    await rejection(access.openingKeys([first.id]), 'ERR_KEY_STORE_ROLLBACK')
    expect(events).toContainEqual({
      type: 'key-store-rollback',
      domain: 'default',
      epoch: 1,
      seenEpoch: 2,
    })
    store.epochShift = 0
    expect((await access.sealingKey()).id).toBe(first.id)
  })

  it('to a lower version under a higher epoch is refused', async () => {
    const { store, there, access, first } = await twoProcesses()
    await rotateKek(there, { purpose: 'data' })
    vi.advanceTimersByTime(BOUND)
    await access.sealingKey()
    store.epochShift = 5
    store.edit = (key) => (key.version === 2 ? null : { ...key, state: 'active' })
    vi.advanceTimersByTime(BOUND)
    await rejection(access.sealingKey(), 'ERR_KEY_STORE_ROLLBACK')
    await rejection(access.openingKeys([first.id]), 'ERR_KEY_STORE_ROLLBACK')
  })

  it('to nothing is refused, not filled with new keys', async () => {
    const { store, here, access, shared } = await twoProcesses()
    store.edit = () => null
    store.epochShift = -2
    vi.advanceTimersByTime(BOUND)
    await rejection(access.sealingKey(), 'ERR_KEY_STORE_ROLLBACK')
    await rejection(here.ready(), 'ERR_KEY_STORE_ROLLBACK')
    await rejection(here.keys(), 'ERR_KEY_STORE_ROLLBACK')
    await rejection(rotateKek(here, { purpose: 'data' }), 'ERR_KEY_STORE_ROLLBACK')
    expect((await shared.loadKeys('default')).keys).toHaveLength(2)
  })
})

describe('a session', () => {
  /** A store whose sessions show what `view` shows, and which has connections of its own. */
  function sessionStore(inner: KeyStore, view: { store: KeyStore }): KeyStore {
    const of = (session?: Session): KeyStore => (session === undefined ? inner : view.store)
    return {
      ...inner,
      loadKeys: (domain, session) => of(session).loadKeys(domain),
      loadEpoch: (domain, session) => of(session).loadEpoch(domain),
      loadIndexes: (domain, session) => of(session).loadIndexes(domain),
    }
  }

  /** A keyring whose sessions look at a copy of the store as it was before a rotation. */
  async function behind() {
    const now = memoryKeyStore()
    const provider = scriptedProvider()
    const there = createKeyring({ providers: [provider], store: now })
    await there.ready()
    const then = memoryKeyStore()
    for (const key of (await now.loadKeys('default')).keys) {
      await then.insertKey({ key, demote: null })
    }
    const view = { store: now }
    const log = eventLog()
    const store = sessionStore(now, view)
    const here = createKeyring({ providers: [provider], store, onEvent: log.onEvent })
    const access = keyAccess(here)
    const old = await access.sealingKey()
    const { keyId } = await rotateKek(there, { purpose: 'data' })
    vi.advanceTimersByTime(BOUND)
    expect((await access.sealingKey(someSession(false))).id).toBe(keyId)
    view.store = then
    vi.advanceTimersByTime(BOUND)
    return { access, view, now, then, old, keyId, events: log.events }
  }

  it('in a transaction may show an older snapshot: the newer state stays', async () => {
    const { access, old, keyId, events } = await behind()
    const session = someSession(true)
    expect((await access.sealingKey(session)).id).toBe(keyId)
    expect([...(await access.openingKeys([old.id, keyId], session)).keys()]).toEqual([
      old.id,
      keyId,
    ])
    await rejection(access.openingKeys(['ff'.repeat(8)], session), 'ERR_KEY_NOT_FOUND')
    await access.ready(session)
    expect(events.filter(({ type }) => type === 'key-store-rollback')).toEqual([])
  })

  it('outside of one may be a replica that lags: the own connection decides', async () => {
    const { access, keyId } = await behind()
    expect((await access.sealingKey(someSession(false))).id).toBe(keyId)
  })

  it('that shows what the own connection shows too is a rollback', async () => {
    const { access, now, then } = await behind()
    Object.assign(now, then)
    await rejection(access.sealingKey(someSession(false)), 'ERR_KEY_STORE_ROLLBACK')
  })

  it('never waits for the read of another session', async () => {
    const inner = memoryKeyStore()
    const provider = scriptedProvider()
    await createKeyring({ providers: [provider], store: inner }).ready()
    const stuck = someSession(false)
    const never = new Promise<never>(() => {})
    const store: KeyStore = {
      ...inner,
      loadKeys: (domain, session) => (session === stuck ? never : inner.loadKeys(domain)),
      loadEpoch: (domain, session) => (session === stuck ? never : inner.loadEpoch(domain)),
    }
    const access = keyAccess(createKeyring({ providers: [provider], store }))
    void access.sealingKey(stuck)
    const key = await access.sealingKey(someSession(true))
    vi.advanceTimersByTime(BOUND)
    void access.sealingKey(stuck)
    expect((await access.sealingKey(someSession(false))).id).toBe(key.id)
    expect((await access.sealingKey()).id).toBe(key.id)
  })
})

describe('a store with a single connection', () => {
  /** Writes in a transaction go to a store that a rollback throws away. */
  function singleConnection() {
    let committed = memoryKeyStore()
    let open: KeyStore | undefined
    const of = (session?: Session): KeyStore =>
      session?.inTransaction === true ? (open ?? committed) : committed
    const copy = async (from: KeyStore): Promise<KeyStore> => {
      const to = memoryKeyStore()
      for (const key of (await from.loadKeys('default')).keys) {
        await to.insertKey({ key, demote: null })
      }
      await to.insertIndexes(await from.loadIndexes('default'))
      return to
    }
    const store: KeyStore = {
      ...committed,
      writesOnSession: true,
      loadKeys: (domain, session) => of(session).loadKeys(domain),
      loadEpoch: (domain, session) => of(session).loadEpoch(domain),
      loadIndexes: (domain, session) => of(session).loadIndexes(domain),
      insertKey: (insertion, session) => of(session).insertKey(insertion),
      changeState: (id, from, to, session) => of(session).changeState(id, from, to),
      insertIndexes: (records, session) => of(session).insertIndexes(records),
      replaceIndex: (previous, next, session) => of(session).replaceIndex(previous, next),
    }
    return {
      store,
      begin: async () => {
        open = await copy(committed)
      },
      commit: () => {
        committed = open as KeyStore
        open = undefined
      },
      rollback: () => {
        open = undefined
      },
    }
  }
  const inTransaction = someSession(true)
  const exact = { normaliser: '', bits: 128, group: null }
  const declaration = { fieldId: 'a.b', exact, range: null, next: null }

  it('keeps nothing of a key that is rolled back', async () => {
    const database = singleConnection()
    const { store } = database
    const log = eventLog()
    const keyring = createKeyring({ providers: [scriptedProvider()], store, onEvent: log.onEvent })
    const access = keyAccess(keyring)
    await database.begin()
    const lost = await access.sealingKey(inTransaction)
    expect((await access.sealingKey(inTransaction)).id).toBe(lost.id)
    expect((await access.openingKeys([lost.id], inTransaction)).size).toBe(1)
    await access.declareIndexes([declaration], inTransaction)
    await access.tokenKey({ kind: 'field', name: 'a.b' }, inTransaction)
    expect(access.loadedOpeningKey(lost.id)).toBeUndefined()
    database.rollback()

    await rejection(access.openingKeys([lost.id]), 'ERR_KEY_NOT_FOUND')
    const key = await access.sealingKey()
    expect(key.id).not.toBe(lost.id)
    expect(await access.knownFieldIds()).toEqual([])
    await access.declareIndexes([declaration])
    const record = (await store.loadIndexes('default'))[0]
    const keys = await keyring.keys()
    expect(keys.map(({ id }) => id)).toContain(record?.indexKeyId)
    expect(keys).toHaveLength(2)
    expect(log.events.filter(({ type }) => type === 'key-store-rollback')).toEqual([])
  })

  it('uses a key that was committed from then on', async () => {
    const database = singleConnection()
    const access = keyAccess(
      createKeyring({ providers: [scriptedProvider()], store: database.store }),
    )
    await database.begin()
    const key = await access.sealingKey(inTransaction)
    database.commit()
    expect((await access.sealingKey()).id).toBe(key.id)
    expect(access.loadedOpeningKey(key.id)?.id).toBe(key.id)
  })

  it('goes on in a transaction with what it knows already', async () => {
    const database = singleConnection()
    const access = keyAccess(
      createKeyring({ providers: [scriptedProvider()], store: database.store }),
    )
    await access.ready()
    const key = await access.sealingKey()
    vi.advanceTimersByTime(BOUND)
    await database.begin()
    expect((await access.sealingKey(inTransaction)).id).toBe(key.id)
    expect(access.loadedOpeningKey(key.id)?.id).toBe(key.id)
    database.rollback()
  })
})
