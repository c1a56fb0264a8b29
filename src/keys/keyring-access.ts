import { MortiseError } from '../errors'
import type { KeyRecord, KeyState, KeyStore, Session } from '../key-store/store'
import type { KeyProvider, KeyPurpose } from '../providers/provider'
import type { KeyAccess } from './access'
import { KeyCache, type KeyCacheTimes } from './cache'
import type { DomainView } from './domain-view'
import { eventKey, type KeyEventHandler } from './events'
import { IndexRegistry } from './index-registry'
import { type AddedKey, KeySupply } from './key-supply'
import { checkSeals, isUsable, keyNotFound } from './key-use'
import { dataKeyOf, KeyOpening } from './opening'
import { KeySnapshot } from './snapshot'
import { StoreSlot } from './store-slot'
import { indexKekOf, keyedRecord, TokenKeys } from './token-keys'
import { type Providers, unlockKey } from './unlock'

/** A checked configuration. */
export interface KeyringConfig {
  readonly domain: string
  /** At least one; the first wraps new keys. */
  readonly providers: readonly [KeyProvider, ...KeyProvider[]]
  readonly store: KeyStore | undefined
  readonly times: KeyCacheTimes & { readonly epochPollMs: number }
  readonly emit: KeyEventHandler
}

/** What rotation and the keyring's own public methods do with keys: no key bytes pass here. */
export interface KeyControl {
  /** All keys of the domain, read from the store now. */
  keys(): Promise<KeyRecord[]>
  /**
   * Makes the next version of a purpose the active key.
   *
   * @returns the new key and the one it replaced, or `null` where another writer was first
   */
  addVersion(purpose: KeyPurpose): Promise<AddedKey | null>
  /** @returns false where the key was no longer in that state */
  changeState(key: KeyRecord, to: KeyState): Promise<boolean>
  close(): Promise<void>
}

/** Builds a keyring's inner side: no I/O happens before its first use. */
export function createKeyringAccess(config: KeyringConfig): {
  readonly access: KeyAccess
  readonly control: KeyControl
} {
  const parts = makeParts(config)
  return { access: accessTo(parts), control: controlOf(parts) }
}

interface Parts {
  readonly config: KeyringConfig
  readonly slot: StoreSlot
  readonly snapshot: KeySnapshot
  readonly cache: KeyCache
  readonly supply: KeySupply
  readonly closing: { begun: Promise<void> | undefined }
}

function makeParts(config: KeyringConfig): Parts {
  const { domain, emit, times } = config
  const [provider] = config.providers
  const providers: Providers = new Map(config.providers.map((p) => [p.uri, p]))
  const slot = new StoreSlot(config.store)
  const store = (): KeyStore => slot.get()
  const cache = new KeyCache(async (record) => {
    const unlocked = await unlockKey(record, providers, emit)
    emit({ type: 'key-unlocked', ...eventKey(record), providerUri: unlocked.providerUri })
    return unlocked
  }, times)
  const onChange = ({ keys }: DomainView): void => cache.retain((id) => isUsableIn(keys, id))
  const snapshot = new KeySnapshot({ domain, store, pollMs: times.epochPollMs, emit, onChange })
  const supply = new KeySupply({ domain, store, provider, snapshot, cache, emit })
  return { config, slot, snapshot, cache, supply, closing: { begun: undefined } }
}

function accessTo(parts: Parts): KeyAccess {
  const { slot, snapshot, cache } = parts
  const { domain } = parts.config
  const opening = new KeyOpening(domain, snapshot, cache)
  const sealing = (purpose: KeyPurpose, session?: Session) => latestActive(parts, purpose, session)
  const indexKey = (session?: Session) => sealing('index', session)
  const registry = new IndexRegistry({ domain, store: () => slot.get(), snapshot, indexKey })
  const tokenKeys = new TokenKeys()
  const open = <T>(work: () => T): T => {
    if (parts.closing.begun !== undefined) throw closedError()
    return work()
  }
  return {
    domain,
    attachStore: (owner, create) => open(() => slot.attach(owner, create)),
    ready: async (session) => {
      await open(() => snapshot.reload(session))
      for (const purpose of ['data', 'index'] as const) {
        await cache.get(await open(() => sealing(purpose, session)))
      }
    },
    sealingKey: async (session) => {
      const record = await open(() => sealing('data', session))
      return dataKeyOf(await cache.get(record)) ?? notFound(record)
    },
    loadedOpeningKey: (id) => open(() => opening.loaded(id)),
    openingKeys: async (ids, session) => open(() => opening.open(ids, session)),
    declareIndexes: async (list, session) => open(() => registry.declare(list, session)),
    redeclareIndex: async (one, session) => open(() => registry.redeclare(one, session)),
    knownFieldIds: async (session) => open(() => registry.fieldIds(session)),
    tokenKey: async (name, session) => {
      const record = keyedRecord(await open(() => registry.record(name, session)))
      const key = await opening.indexRecord(record.indexKeyId, session)
      return tokenKeys.get(indexKekOf(await cache.get(key)), record)
    },
  }
}

async function latestActive(
  { snapshot, supply }: Parts,
  purpose: KeyPurpose,
  session?: Session,
): Promise<KeyRecord> {
  const record = await supply.latest(await snapshot.current(session), purpose, session)
  checkSeals(record)
  return record
}

function controlOf(parts: Parts): KeyControl {
  const { slot, snapshot, supply, config, closing } = parts
  const open = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closing.begun !== undefined) throw closedError()
    return work()
  }
  return {
    keys: () => open(async () => [...(await snapshot.reload()).keys.values()]),
    addVersion: (purpose) =>
      open(async () => {
        const added = await supply.add(await snapshot.reload(), purpose)
        await snapshot.reloadAfterWrite()
        return added
      }),
    changeState: (key, to) =>
      open(async () => {
        if (!(await slot.get().changeState(key.id, key.state, to))) return false
        config.emit({ type: 'key-state-changed', ...eventKey(key), from: key.state, to })
        await snapshot.reloadAfterWrite()
        return true
      }),
    close: () => {
      closing.begun ??= closeParts(parts)
      return closing.begun
    },
  }
}

/** Everything is closed, also where one part fails to; then that failure is reported. */
async function closeParts({ config, slot, cache }: Parts): Promise<void> {
  cache.discard()
  const results = await Promise.allSettled([
    ...config.providers.map(async (provider) => provider.close?.()),
    slot.close(),
  ])
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return
  const code =
    results.indexOf(failed) < config.providers.length ? 'ERR_KEY_PROVIDER' : 'ERR_KEY_STORE'
  throw new MortiseError(
    code,
    'the keyring is closed, but a part of it failed to close; see the cause',
    {
      cause: failed.reason,
    },
  )
}

function isUsableIn(keys: DomainView['keys'], id: string): boolean {
  const record = keys.get(id)
  return record !== undefined && isUsable(record)
}

function notFound({ id, domain, purpose }: KeyRecord): never {
  throw keyNotFound(id, domain, purpose)
}

function closedError(): MortiseError {
  return new MortiseError(
    'ERR_CLOSED',
    'this keyring was closed; make a new one with createKeyring, with new providers',
  )
}
