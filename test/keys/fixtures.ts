import { expect, vi } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyRecord, KeyStore, Session } from '../../src/key-store/store'
import type { KeyEvent } from '../../src/keys/events'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import type { KeyProvider } from '../../src/providers/provider'

/** A provider that counts its calls and fails when told to. */
export interface ScriptedProvider extends KeyProvider {
  readonly calls: { wrap: number; unwrap: number; close: number }
  /** Thrown by every unwrap while it is set. */
  failure: unknown
  /** Every unwrap waits for it. */
  gate: Promise<void> | undefined
}

/** An in-app provider under test control. */
export function scriptedProvider(name = 'primary', secret = generateRootKey()): ScriptedProvider {
  const inner = inAppKeyProvider({ name, secret })
  const provider: ScriptedProvider = {
    uri: inner.uri,
    calls: { wrap: 0, unwrap: 0, close: 0 },
    failure: undefined,
    gate: undefined,
    wrapKey: (key, context) => {
      provider.calls.wrap++
      return inner.wrapKey(key, context)
    },
    unwrapKey: async (wrapped, context) => {
      provider.calls.unwrap++
      await provider.gate
      if (provider.failure !== undefined) throw provider.failure
      return inner.unwrapKey(wrapped, context)
    },
    close: async () => {
      provider.calls.close++
    },
  }
  return provider
}

/** A store that counts reads and shows its keys as `edit` wants them. */
export interface ScriptedStore extends KeyStore {
  readonly reads: { keys: number; epoch: number; indexes: number }
  edit: ((record: KeyRecord) => KeyRecord | null) | undefined
  /** Added to the epoch that is shown. */
  epochShift: number
}

/** A store under test control, over another one. */
export function scriptedStore(inner: KeyStore): ScriptedStore {
  const store: ScriptedStore = {
    ...inner,
    reads: { keys: 0, epoch: 0, indexes: 0 },
    edit: undefined,
    epochShift: 0,
    loadKeys: async (domain, session) => {
      store.reads.keys++
      const { epoch, keys } = await inner.loadKeys(domain, session)
      const { edit } = store
      const shown = edit === undefined ? keys : keys.map(edit).filter((key) => key !== null)
      return { epoch: epoch + store.epochShift, keys: shown }
    },
    loadEpoch: async (domain, session) => {
      store.reads.epoch++
      return (await inner.loadEpoch(domain, session)) + store.epochShift
    },
    loadIndexes: (domain, session) => {
      store.reads.indexes++
      return inner.loadIndexes(domain, session)
    },
  }
  return store
}

/** A session of a store that ignores its statements. */
export function someSession(inTransaction: boolean): Session {
  return { inTransaction, query: () => Promise.reject(new Error('not a database')) }
}

/** Collects events: all of them, and without those that every use has. */
export function eventLog(): {
  all: KeyEvent[]
  events: KeyEvent[]
  onEvent: (event: KeyEvent) => void
} {
  const all: KeyEvent[] = []
  const events: KeyEvent[] = []
  const onEvent = (event: KeyEvent): void => {
    all.push(event)
    if (event.type !== 'provider-call' && event.type !== 'key-cache-hit') events.push(event)
  }
  return { all, events, onEvent }
}

/** Awaits what takes time, with fake timers. */
export async function afterTime<T>(ms: number, promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  await vi.advanceTimersByTimeAsync(ms)
  return promise
}

/** Asserts the code of a rejection and gives the error. */
export async function rejection(promise: Promise<unknown>, code: string): Promise<Error> {
  const error: unknown = await promise.then(
    () => 'nothing was thrown',
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ name: 'MortiseError', code })
  return error as Error
}

/** Keyrings as separate processes would have them: one root key, one store, nothing else shared. */
export function keyrings(count: number, open: () => KeyStore): Keyring[] {
  const provider = scriptedProvider()
  return Array.from({ length: count }, () =>
    createKeyring({ providers: [provider], store: open() }),
  )
}

/** A keyring with its first keys, and its store. */
export async function readyKeyring(): Promise<{ keyring: Keyring; store: ScriptedStore }> {
  const store = scriptedStore(memoryKeyStore())
  const [keyring] = keyrings(1, () => store) as [Keyring]
  await keyring.ready()
  return { keyring, store }
}

/** Versions and states of one purpose. */
export async function versions(keyring: Keyring, purpose: string): Promise<[number, string][]> {
  const keys = (await keyring.keys()).filter((key) => key.purpose === purpose)
  return keys.map(({ version, state }) => [version, state])
}
