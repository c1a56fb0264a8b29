import { MortiseError } from '../errors'
import type { KeyRecord, KeyState, KeyStore, Session } from '../key-store/store'
import type { KeyProvider, KeyPurpose } from '../providers/provider'
import type { IndexName, KeyAccess, SealingKey, TokenKey } from './access'
import { KeyCache, type KeyCacheTimes } from './cache'
import type { DomainView } from './domain-view'
import { eventKey, type KeyEventHandler } from './events'
import { IndexRegistry } from './index-registry'
import { type AddedKey, KeySupply } from './key-supply'
import { checkSeals, isUsable, keyNotFound } from './key-use'
import { dataKeyOf, KeyOpening } from './opening'
import { openingKeys } from './opening-keys'
import { isProviderKey, type ProviderKeyLimits, ProviderKeys } from './provider-keys'
import { ProviderSet } from './provider-set'
import { KeySnapshot } from './snapshot'
import { StoreSlot } from './store-slot'
import { SubjectKeys } from './subject-keys'
import { indexKekOf, keyedRecord, TokenKeys } from './token-keys'
import { notConfigured, unlockKey } from './unlock'
import { type WrapControl, wrapControl } from './wrap-control'

/** A checked configuration. */
export interface KeyringConfig {
  readonly domain: string
  /** At least one; the first wraps new keys. */
  readonly providers: readonly [KeyProvider, ...KeyProvider[]]
  readonly store: KeyStore | undefined
  /** Whether DEKs are wrapped under a KEK in this process, or by the provider itself. */
  readonly wrapping: 'local' | 'provider'
  readonly times: KeyCacheTimes & { readonly epochPollMs: number }
  readonly deks: ProviderKeyLimits
  readonly emit: KeyEventHandler
}

/** What rotation and the keyring's own public methods do with keys: no key bytes pass here. */
export interface KeyControl {
  /** The allow-list, to extend and to take from. */
  readonly providers: ProviderSet
  /** Making, moving and removing the wraps of keys. */
  readonly wraps: WrapControl
  /** Finding and destroying keys of data subjects. */
  readonly subjects: SubjectKeys
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
  readonly providers: ProviderSet
  readonly slot: StoreSlot
  readonly snapshot: KeySnapshot
  readonly cache: KeyCache
  readonly supply: KeySupply
  readonly opening: KeyOpening
  readonly registry: IndexRegistry
  readonly tokenKeys: TokenKeys
  readonly subjects: SubjectKeys
  readonly providerKeys: ProviderKeys
  readonly closing: { begun: Promise<void> | undefined }
}

function makeParts(config: KeyringConfig): Parts {
  const { domain, emit, times, wrapping } = config
  const providers = new ProviderSet(config.providers, {
    times: { timeoutMs: 2_000, deadlineMs: 10_000 },
    emit,
  })
  const slot = new StoreSlot(config.store)
  const store = (): KeyStore => slot.get()
  const cache = new KeyCache(async (record) => {
    const unlocked = await unlockKey(record, providers, emit)
    emit({ type: 'key-unlocked', ...eventKey(record), providerUri: unlocked.providerUri })
    return unlocked
  }, times)
  const onChange = ({ keys }: DomainView): void => {
    const keep = (id: string) => isUsableIn(keys, id)
    cache.retain(keep)
    providerKeys.retain(keep)
    subjects.forget()
  }
  const snapshot = new KeySnapshot({ domain, store, pollMs: times.epochPollMs, emit, onChange })
  const supply = new KeySupply({ domain, store, providers, wrapping, snapshot, cache, emit })
  const opening = new KeyOpening(domain, snapshot, cache)
  const base = {
    config,
    providers,
    slot,
    snapshot,
    cache,
    supply,
    opening,
    tokenKeys: new TokenKeys(),
  }
  const indexKey = (session?: Session) => latestActive(base, 'index', session)
  const registry = new IndexRegistry({ domain, store, snapshot, indexKey })
  const providerKeys = new ProviderKeys({
    provider: async (uri, record) => (await providers.get(uri)) ?? notConfigured(record),
    limits: config.deks,
  })
  const subjects = new SubjectKeys({
    domain,
    store,
    snapshot,
    activeKek: async (session) => {
      const record = await latestActive(base, 'data', session)
      const kek = (await opening.keks([record.id], session)).get(record.id)
      return { record, kek: kek ?? notFound(record) }
    },
    keks: (ids, session) => opening.keks(ids, session),
    tokenKey: (session) =>
      tokenKeyOf({ ...base, registry }, { kind: 'subject', name: '' }, session),
  })
  return { ...base, registry, subjects, providerKeys, closing: { begun: undefined } }
}

function accessTo(parts: Parts): KeyAccess {
  const { slot, snapshot, cache, opening, registry, subjects } = parts
  const { domain, wrapping } = parts.config
  const open = <T>(work: () => T): T => {
    if (parts.closing.begun !== undefined) throw closedError()
    return work()
  }
  return {
    domain,
    wrapping,
    attachStore: (owner, create) => open(() => slot.attach(owner, create)),
    ready: async (session) => {
      await open(() => snapshot.reload(session))
      for (const purpose of ['data', 'index'] as const) {
        const record = await open(() => latestActive(parts, purpose, session))
        if (!isProviderKey(record)) await cache.get(record)
      }
    },
    sealingKey: async (session) => {
      const record = await open(() => latestActive(parts, 'data', session))
      if (isProviderKey(record)) throw noLocalKey(record)
      return dataKeyOf(await cache.get(record)) ?? notFound(record)
    },
    sealingKeys: async (wanted, session) => open(() => sealingKeys(parts, wanted, session)),
    subjectRefs: async (ids, session) => open(() => subjects.refs(ids, session)),
    loadedOpeningKey: (id) => open(() => opening.loaded(id)),
    openingKeys: async (ids, session) => open(() => opening.open(ids, session)),
    keysFor: async (request, session) => open(() => openingKeys(parts, request, session)),
    declareIndexes: async (list, session) => open(() => registry.declare(list, session)),
    redeclareIndex: async (one, session) => open(() => registry.redeclare(one, session)),
    knownFieldIds: async (session) => open(() => registry.fieldIds(session)),
    tokenKey: async (name, session) => open(() => tokenKeyOf(parts, name, session)),
  }
}

async function sealingKeys(
  parts: Parts,
  wanted: Iterable<string | null>,
  session?: Session,
): Promise<ReadonlyMap<string | null, SealingKey>> {
  const unique = new Set(wanted)
  const subjects = [...unique].filter((subject) => subject !== null)
  const keys = new Map<string | null, SealingKey>()
  if (unique.has(null)) {
    const record = await latestActive(parts, 'data', session)
    const key = isProviderKey(record)
      ? parts.providerKeys.sealing(record)
      : dataKeyOf(await parts.cache.get(record))
    keys.set(null, key ?? notFound(record))
  }
  if (subjects.length === 0) return keys
  for (const [subject, key] of await parts.subjects.sealing(subjects, session)) {
    keys.set(subject, key)
  }
  return keys
}

async function tokenKeyOf(
  {
    registry,
    opening,
    tokenKeys,
    cache,
  }: Pick<Parts, 'registry' | 'opening' | 'tokenKeys' | 'cache'>,
  name: IndexName,
  session?: Session,
): Promise<TokenKey> {
  const record = keyedRecord(await registry.record(name, session))
  const key = await opening.indexRecord(record.indexKeyId, session)
  return tokenKeys.get(indexKekOf(await cache.get(key)), record)
}

async function latestActive(
  { snapshot, supply }: Pick<Parts, 'snapshot' | 'supply'>,
  purpose: KeyPurpose,
  session?: Session,
): Promise<KeyRecord> {
  const record = await supply.latest(await snapshot.current(session), purpose, session)
  checkSeals(record)
  return record
}

function controlOf(parts: Parts): KeyControl {
  const { slot, snapshot, supply, config, closing, providers, subjects } = parts
  const open = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closing.begun !== undefined) throw closedError()
    return work()
  }
  return {
    providers,
    wraps: wrapControl({ providers, store: () => slot.get(), snapshot, emit: config.emit }),
    subjects,
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
async function closeParts({ providers, slot, cache, providerKeys }: Parts): Promise<void> {
  cache.discard()
  providerKeys.discard()
  const results = await Promise.allSettled([providers.close(), slot.close()])
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return
  const code = failed === results[0] ? 'ERR_KEY_PROVIDER' : 'ERR_KEY_STORE'
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

function noLocalKey({ id, domain }: KeyRecord): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `the active data key ${id} of domain ${domain} has no key material, because its provider wraps every DEK: this needs a keyring with wrapping 'local'`,
  )
}

function closedError(): MortiseError {
  return new MortiseError(
    'ERR_CLOSED',
    'this keyring was closed; make a new one with createKeyring, with new providers',
  )
}
