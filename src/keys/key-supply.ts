import { MortiseError } from '../errors'
import type { KeyRecord, KeyStore, Session } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'
import type { KeyCache } from './cache'
import { createKey, createProviderKey, type NewKey } from './create-key'
import type { DomainView } from './domain-view'
import { eventKey, type KeyEventHandler } from './events'
import { isProviderKey } from './provider-keys'
import type { ProviderSet } from './provider-set'
import type { KeySnapshot } from './snapshot'

/** What making keys needs. */
export interface KeySupplySource {
  readonly domain: string
  readonly store: () => KeyStore
  /** The first one wraps new keys. */
  readonly providers: ProviderSet
  /** With `provider`, a `data` key has no material. */
  readonly wrapping: 'local' | 'provider'
  readonly snapshot: KeySnapshot
  readonly cache: KeyCache
  readonly emit: KeyEventHandler
}

/** A key that was committed, and the id of the one that it replaced. */
export interface AddedKey {
  readonly key: KeyRecord
  readonly previousKeyId: string | null
}

/** A lost race is normal; losing this often means that the store refuses for another reason. */
const MAX_ATTEMPTS = 3

/** Makes KEKs: the first of each purpose, and the next one at a rotation. */
export class KeySupply {
  readonly #source: KeySupplySource
  readonly #creating = new Map<KeyPurpose, Promise<KeyRecord>>()

  constructor(source: KeySupplySource) {
    this.#source = source
  }

  /**
   * The latest key of a purpose; the first one is made where none exists.
   *
   * Callers share the making of it, except where it would run on the connection that one of them
   * holds and another waits for; then the store decides whose key it is.
   */
  async latest(view: DomainView, purpose: KeyPurpose, session?: Session): Promise<KeyRecord> {
    const latest = view.latest[purpose]
    if (latest !== undefined) return latest
    if (this.#source.store().writesOnSession) return this.#createFirst(purpose, session)
    const running = this.#creating.get(purpose)
    if (running !== undefined) return running
    const creating = this.#createFirst(purpose).finally(() => this.#creating.delete(purpose))
    this.#creating.set(purpose, creating)
    return creating
  }

  /**
   * Adds the version after the latest one in `view` and demotes the key that is active there.
   *
   * @returns the new key and the one that was active, or `null` where another writer was first
   */
  async add(
    view: DomainView | undefined,
    purpose: KeyPurpose,
    session?: Session,
  ): Promise<AddedKey | null> {
    const { store, cache, emit } = this.#source
    const previousKeyId = view === undefined ? null : activeKeyId(view, purpose)
    const { record, unlocked, missing } = await this.#create(view?.latest[purpose], purpose)
    const insertion = { key: record, demote: previousKeyId }
    if (!(await store().insertKey(insertion, session))) return null
    if (unlocked !== null) cache.put(record, unlocked)
    emit({ type: 'key-created', ...eventKey(record), previousKeyId })
    for (const providerUri of missing) {
      emit({ type: 'wrap-missing', ...eventKey(record), providerUri })
    }
    return { key: record, previousKeyId }
  }

  /** Whoever wraps the key that it follows wraps the new one as well: redundancy is kept. */
  async #create(latest: KeyRecord | undefined, purpose: KeyPurpose): Promise<NewKey> {
    const { domain, providers, wrapping } = this.#source
    const place = { domain, purpose, version: (latest?.version ?? 0) + 1 }
    if (wrapping === 'provider' && purpose === 'data') {
      return createProviderKey(place, await providers.first())
    }
    const kept = latest === undefined || isProviderKey(latest) ? [] : latest.wraps
    return createKey(
      place,
      providers,
      kept.map(({ providerUri }) => providerUri),
    )
  }

  /** Used only once it was read back: committed, or visible to the transaction that wrote it. */
  async #createFirst(purpose: KeyPurpose, session?: Session): Promise<KeyRecord> {
    const { domain, snapshot } = this.#source
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await this.add(undefined, purpose, session)
      const latest = (await snapshot.reloadAfterWrite(session)).latest[purpose]
      if (latest !== undefined) return latest
    }
    throw new MortiseError(
      'ERR_KEY_STORE',
      `the first ${purpose} key of domain ${domain} was written ${MAX_ATTEMPTS} times and never seen again; check that the key store reads from where it writes`,
    )
  }
}

/** The latest version, unless somebody changed states in the store. */
function activeKeyId(view: DomainView, purpose: KeyPurpose): string | null {
  for (const key of view.keys.values()) {
    if (key.purpose === purpose && key.state === 'active') return key.id
  }
  return null
}
