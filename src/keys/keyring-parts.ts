import type { KeyRecord, KeyStore, Session } from '../key-store/store'
import type { IndexName, TokenKey } from './access'
import { activeKey } from './active-key'
import { KeyCache } from './cache'
import { Closing } from './closing'
import type { DomainView } from './domain-view'
import { eventKey } from './events'
import { IndexRegistry } from './index-registry'
import { KeySupply } from './key-supply'
import { isUsable, keyNotFound, noLocalKey } from './key-use'
import type { KeyringConfig } from './keyring-config'
import { KeyOpening } from './opening'
import { isProviderKey, ProviderKeys } from './provider-keys'
import { ProviderSet } from './provider-set'
import { KeySnapshot } from './snapshot'
import { StoreSlot } from './store-slot'
import { type SubjectKeySource, SubjectKeys } from './subject-keys'
import { indexKekOf, keyedRecord, TokenKeys } from './token-keys'
import { unlockKey } from './unlock'
import { notConfigured } from './unlock-failure'

/** What a keyring consists of. */
export interface KeyringParts extends CoreParts {
  readonly registry: IndexRegistry
  readonly tokenKeys: TokenKeys
  readonly subjects: SubjectKeys
}

interface CoreParts {
  readonly config: KeyringConfig
  readonly closing: Closing
  readonly providers: ProviderSet
  readonly slot: StoreSlot
  readonly snapshot: KeySnapshot
  readonly cache: KeyCache
  readonly supply: KeySupply
  readonly opening: KeyOpening
  readonly providerKeys: ProviderKeys
}

/** Puts a keyring together: no I/O happens before its first use. */
export function makeParts(config: KeyringConfig): KeyringParts {
  const { domain } = config
  const core: CoreParts = makeCore(config, ({ keys }) => {
    const keep = (id: string): boolean => isUsableIn(keys, id)
    core.cache.retain(keep)
    core.providerKeys.retain(keep)
    subjects.forget()
  })
  const { snapshot, slot, opening } = core
  const store = (): KeyStore => slot.get()
  const indexKey = (session?: Session): Promise<KeyRecord> => activeKey(core, 'index', session)
  const registry = new IndexRegistry({ domain, store, snapshot, indexKey })
  const tokenKeys = new TokenKeys()
  const subjects = new SubjectKeys({
    domain,
    store,
    snapshot,
    activeKek: (session) => activeKek(core, session),
    keks: (ids, session) => opening.keks(ids, session),
    findKeks: (ids, session) => opening.findKeks(ids, session),
    tokenKey: (session) => tokenKeyOf({ ...core, registry, tokenKeys }, SUBJECTS, session),
    emit: config.emit,
  })
  return { ...core, registry, tokenKeys, subjects }
}

function makeCore(config: KeyringConfig, onChange: (view: DomainView) => void): CoreParts {
  const { domain, emit, times, calls, wrapping, deks } = config
  const closing = new Closing()
  const slot = new StoreSlot(config.store)
  const store = (): KeyStore => slot.get()
  const providers = new ProviderSet(config.providers, {
    times: calls,
    emit,
    closed: closing.signal,
  })
  const unlock: ConstructorParameters<typeof KeyCache>[0] = async (record) => {
    const unlocked = await unlockKey(record, providers, emit)
    emit({ type: 'key-unlocked', ...eventKey(record), providerUri: unlocked.providerUri })
    return unlocked
  }
  const cache = new KeyCache(unlock, times, emit)
  const snapshot = new KeySnapshot({ domain, store, pollMs: times.epochPollMs, emit, onChange })
  const supply = new KeySupply({ domain, store, providers, wrapping, snapshot, cache, emit })
  const opening = new KeyOpening(domain, snapshot, cache)
  const providerKeys = new ProviderKeys({
    provider: async (uri, record) => {
      const provider = await providers.get(uri)
      if (provider === undefined) throw notConfigured(record)
      return provider
    },
    limits: deks,
  })
  return { config, closing, providers, slot, snapshot, cache, supply, opening, providerKeys }
}

const SUBJECTS: IndexName = { kind: 'subject', name: '' }

/** The token key of a declared field or group; see `KeyAccess.tokenKey`. */
export async function tokenKeyOf(
  parts: Pick<KeyringParts, 'registry' | 'opening' | 'tokenKeys' | 'cache'>,
  name: IndexName,
  session?: Session,
): Promise<TokenKey> {
  const record = keyedRecord(await parts.registry.record(name, session))
  const key = await parts.opening.indexRecord(record.indexKeyId, session)
  return parts.tokenKeys.get(indexKekOf(await parts.cache.get(key)), record)
}

async function activeKek(
  core: CoreParts,
  session?: Session,
): ReturnType<SubjectKeySource['activeKek']> {
  const record = await activeKey(core, 'data', session)
  if (isProviderKey(record)) throw noLocalKey(record)
  const unlocked = await core.cache.get(record)
  if (unlocked.purpose !== 'data') throw keyNotFound(record.id, record.domain, 'data')
  return { record, kek: unlocked.kek }
}

function isUsableIn(keys: DomainView['keys'], id: string): boolean {
  const record = keys.get(id)
  return record !== undefined && isUsable(record)
}
