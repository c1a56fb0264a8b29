import type { SecretKey } from '../crypto/secret-key'
import type { KeyRecord, Session } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'
import type { DataKey } from './access'
import type { KeyCache } from './cache'
import { allFound, type FoundKeys, findEach } from './found-keys'
import { checkUsable, isUsable, keyNotFound } from './key-use'
import { isProviderKey } from './provider-keys'
import type { KeySnapshot } from './snapshot'
import { UnknownIds } from './unknown-ids'
import type { UnlockedKey } from './unlock'

type UnlockedDataKey = UnlockedKey & { readonly purpose: 'data' }

/** Finds and unlocks the keys that stored values name. */
export class KeyOpening {
  readonly #domain: string
  readonly #snapshot: KeySnapshot
  readonly #cache: KeyCache
  readonly #unknown = new UnknownIds()

  constructor(domain: string, snapshot: KeySnapshot, cache: KeyCache) {
    this.#domain = domain
    this.#snapshot = snapshot
    this.#cache = cache
  }

  loaded(id: string): DataKey | undefined {
    const record = this.#snapshot.fresh?.keys.get(id)
    if (record?.purpose !== 'data' || isProviderKey(record) || !isUsable(record)) return undefined
    return dataKeyOf(this.#cache.peek(record))
  }

  async open(ids: Iterable<string>, session?: Session): Promise<ReadonlyMap<string, DataKey>> {
    return allFound(await this.find(ids, session))
  }

  /** Unlocked usable keys by id; those that cannot be used do not hinder the others. */
  async find(ids: Iterable<string>, session?: Session): Promise<FoundKeys<DataKey>> {
    return this.#findEach(ids, session, async (record) => (await this.#unlockData(record)).dataKey)
  }

  /** The records of provider keys that envelopes name. */
  async providerRecords(ids: Iterable<string>, session?: Session): Promise<FoundKeys<KeyRecord>> {
    return this.#findEach(ids, session, (record) => {
      if (record.purpose !== 'data' || !isProviderKey(record)) {
        throw keyNotFound(record.id, this.#domain, 'data')
      }
      checkUsable(record)
      return record
    })
  }

  /** Unlocked usable `data` KEKs by id; see {@link KeyOpening.open}. */
  async keks(ids: Iterable<string>, session?: Session): Promise<ReadonlyMap<string, SecretKey>> {
    return allFound(await this.findKeks(ids, session))
  }

  /** Unlocked `data` KEKs by id; see {@link KeyOpening.find}. */
  async findKeks(ids: Iterable<string>, session?: Session): Promise<FoundKeys<SecretKey>> {
    return this.#findEach(ids, session, async (record) => (await this.#unlockData(record)).kek)
  }

  /** The record of an index KEK that an index record names. */
  async indexRecord(id: string, session?: Session): Promise<KeyRecord> {
    const record = (await this.#recordsOf([id], 'index', session))(id)
    if (record.purpose !== 'index') throw keyNotFound(id, this.#domain, 'index')
    checkUsable(record)
    return record
  }

  async #unlockData(record: KeyRecord): Promise<UnlockedDataKey> {
    if (record.purpose !== 'data' || isProviderKey(record)) {
      throw keyNotFound(record.id, this.#domain, 'data')
    }
    checkUsable(record)
    const unlocked = await this.#cache.get(record)
    if (unlocked.purpose !== 'data') throw keyNotFound(record.id, this.#domain, 'data')
    return unlocked
  }

  async #findEach<Key>(
    ids: Iterable<string>,
    session: Session | undefined,
    use: (record: KeyRecord) => Key | Promise<Key>,
  ): Promise<FoundKeys<Key>> {
    const unique = [...new Set(ids)]
    if (unique.length === 0) return { keys: new Map(), refused: new Map() }
    const recordOf = await this.#recordsOf(unique, 'data', session)
    return findEach(
      unique.map((id) => ({ id })),
      ({ id }) => use(recordOf(id)),
    )
  }

  /**
   * From memory, else all at once with one query.
   *
   * @returns the record of an id, or throws ERR_KEY_NOT_FOUND
   */
  async #recordsOf(
    ids: readonly string[],
    purpose: KeyPurpose,
    session?: Session,
  ): Promise<(id: string) => KeyRecord> {
    let view = await this.#snapshot.current(session)
    if (ids.some((id) => !view.keys.has(id) && !this.#unknown.has(id))) {
      view = await this.#snapshot.reload(session)
    }
    return (id) => {
      const record = view.keys.get(id)
      if (record) return record
      throw this.#unknown.remember(id, this.#domain, purpose)
    }
  }
}

/** The sealing and opening form of an unlocked key; undefined for one of another purpose. */
export function dataKeyOf(unlocked: UnlockedKey | undefined): DataKey | undefined {
  return unlocked?.purpose === 'data' ? unlocked.dataKey : undefined
}
