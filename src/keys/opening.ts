import type { SecretKey } from '../crypto/secret-key'
import type { KeyRecord, Session } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'
import type { DataKey } from './access'
import type { KeyCache } from './cache'
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
    const unique = [...new Set(ids)]
    if (unique.length === 0) return new Map()
    const records = await this.#find(unique, 'data', session)
    const unlocked = await Promise.all(records.map((record) => this.#unlockData(record)))
    const keys = unlocked.map(({ dataKey }) => dataKey)
    return new Map(keys.map((key) => [key.id, key]))
  }

  /** The record of a provider key that envelopes name. */
  async providerRecord(id: string, session?: Session): Promise<KeyRecord> {
    const [record] = await this.#find([id], 'data', session)
    if (record?.purpose !== 'data' || !isProviderKey(record)) {
      throw keyNotFound(id, this.#domain, 'data')
    }
    checkUsable(record)
    return record
  }

  /** Unlocked usable `data` KEKs by id; see {@link KeyOpening.open}. */
  async keks(ids: Iterable<string>, session?: Session): Promise<ReadonlyMap<string, SecretKey>> {
    const records = await this.#find([...new Set(ids)], 'data', session)
    const unlocked = await Promise.all(
      records.map(async (record) => [record.id, (await this.#unlockData(record)).kek] as const),
    )
    return new Map(unlocked)
  }

  /** The record of an index KEK that an index record names. */
  async indexRecord(id: string, session?: Session): Promise<KeyRecord> {
    const [record] = await this.#find([id], 'index', session)
    if (record?.purpose !== 'index') throw keyNotFound(id, this.#domain, 'index')
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

  /** From memory, else all at once with one query. */
  async #find(
    ids: readonly string[],
    purpose: KeyPurpose,
    session?: Session,
  ): Promise<KeyRecord[]> {
    let view = await this.#snapshot.current(session)
    const unknown = ids.filter((id) => !view.keys.has(id))
    if (unknown.length > 0) {
      for (const id of unknown) this.#unknown.refuse(id, this.#domain, purpose)
      view = await this.#snapshot.reload(session)
    }
    return ids.map((id) => view.keys.get(id) ?? this.#unknown.remember(id, this.#domain, purpose))
  }
}

/** The sealing and opening form of an unlocked key; undefined for one of another purpose. */
export function dataKeyOf(unlocked: UnlockedKey | undefined): DataKey | undefined {
  return unlocked?.purpose === 'data' ? unlocked.dataKey : undefined
}
