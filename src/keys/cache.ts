import type { KeyRecord } from '../key-store/store'
import { eventKey, ignoreEvent, type KeyEventHandler, type KeyEvictionReason } from './events'
import { failureOf, isTemporary } from './provider-failure'
import type { UnlockedKey } from './unlock'

/** How long an unlocked key may be used, in milliseconds since its provider opened it. */
export interface KeyCacheTimes {
  /** After this, the first use asks the provider again, in the background. */
  readonly softTtlMs: number
  /** After this, a use waits for the provider and fails with it. */
  readonly hardTtlMs: number
}

interface CacheEntry {
  record: KeyRecord
  readonly unlocked: UnlockedKey
  readonly openedAt: number
  refreshAt: number
  /** A refresh failed, and the key was not used since. */
  isStale: boolean
}

/** A domain has dozens of KEKs; the bound is against a key store that was filled on purpose. */
const MAX_ENTRIES = 1000
/** At most one background attempt per second, and one provider call per second for a closed key. */
const RETRY_MS = 1000
/** Keys that are opened anew in the background at the same time; the others serve on meanwhile. */
const MAX_REFRESHES = 20

/**
 * Unlocked keys by id. One provider call per key, however many callers wait for it.
 *
 * An entry serves a record only while both have the same identity and check value, so a key store
 * that swaps what stands behind an id is noticed.
 */
export class KeyCache {
  readonly #unlock: (record: KeyRecord) => Promise<UnlockedKey>
  readonly #times: KeyCacheTimes
  readonly #entries = new Map<string, CacheEntry>()
  readonly #unlocking = new Map<string, { record: KeyRecord; result: Promise<UnlockedKey> }>()
  readonly #refused = new Map<string, { record: KeyRecord; error: unknown; until: number }>()
  readonly #emit: KeyEventHandler
  #refreshes = 0
  #discarded = false

  constructor(
    unlock: (record: KeyRecord) => Promise<UnlockedKey>,
    times: KeyCacheTimes,
    emit: KeyEventHandler,
  ) {
    this.#unlock = unlock
    this.#times = times
    this.#emit = emit
  }

  /** Whether the key is in memory, for `keyring.health()`; not a use of it. */
  holds(record: KeyRecord): boolean {
    const entry = this.#entries.get(record.id)
    return entry !== undefined && sameKey(entry.record, record) && !this.#isExpired(entry)
  }

  /** The unlocked key if it is in memory and within its hard TTL; never any I/O to wait for. */
  peek(record: KeyRecord): UnlockedKey | undefined {
    const entry = this.#entries.get(record.id)
    if (entry === undefined || !this.#serves(entry, record)) return undefined
    if (this.#isExpired(entry)) {
      this.#evict(entry, 'expired')
      return undefined
    }
    if (performance.now() >= entry.refreshAt) this.#refresh(entry)
    if (this.#emit !== ignoreEvent) this.#reportUse(entry)
    return entry.unlocked
  }

  /** The unlocked key, from memory or from its provider. */
  async get(record: KeyRecord): Promise<UnlockedKey> {
    const unlocked = this.peek(record)
    if (unlocked !== undefined) return unlocked
    const refused = this.#refused.get(record.id)
    if (refused !== undefined && refused.until > performance.now() && refused.record === record) {
      throw refused.error
    }
    return this.#unlockOnce(record)
  }

  /** Adds a key that was unlocked elsewhere, just now. */
  put(record: KeyRecord, unlocked: UnlockedKey): void {
    if (this.#discarded) return
    const openedAt = performance.now()
    const jitter = 0.9 + 0.2 * Math.random()
    const refreshAt = openedAt + this.#times.softTtlMs * jitter
    this.#entries.delete(record.id)
    this.#entries.set(record.id, { record, unlocked, openedAt, refreshAt, isStale: false })
    this.#evictOld()
  }

  /** Forgets every key that `keep` does not want. */
  retain(keep: (id: string) => boolean): void {
    for (const [id, entry] of this.#entries) if (!keep(id)) this.#evict(entry, 'store')
    for (const id of this.#refused.keys()) if (!keep(id)) this.#refused.delete(id)
  }

  /** Forgets everything, for good: what is still being unlocked is not kept either. */
  discard(): void {
    this.#discarded = true
    this.#entries.clear()
    this.#refused.clear()
  }

  #isExpired({ openedAt }: CacheEntry): boolean {
    return performance.now() - openedAt >= this.#times.hardTtlMs
  }

  #evict(entry: CacheEntry, reason: KeyEvictionReason): void {
    const { record } = entry
    if (this.#entries.get(record.id) !== entry) return
    this.#entries.delete(record.id)
    this.#emit({ type: 'key-evicted', ...eventKey(record), reason })
  }

  /** Also what nobody asks for any more: the hard TTL bounds how long a key is in memory. */
  #evictOld(): void {
    for (const entry of this.#entries.values()) {
      if (this.#isExpired(entry)) this.#evict(entry, 'expired')
    }
    const [oldest] = this.#entries.values()
    if (this.#entries.size > MAX_ENTRIES && oldest !== undefined) this.#evict(oldest, 'room')
  }

  #reportUse(entry: CacheEntry): void {
    const about = eventKey(entry.record)
    this.#emit({ type: 'key-cache-hit', ...about })
    if (!entry.isStale) return
    entry.isStale = false
    this.#emit({ type: 'key-stale-used', ...about, ageMs: performance.now() - entry.openedAt })
  }

  #serves(entry: CacheEntry, record: KeyRecord): boolean {
    if (entry.record === record) return true
    if (!sameKey(entry.record, record)) {
      this.#evict(entry, 'store')
      return false
    }
    entry.record = record
    return true
  }

  #unlockOnce(record: KeyRecord): Promise<UnlockedKey> {
    const running = this.#unlocking.get(record.id)
    if (running !== undefined && sameKey(running.record, record)) return running.result
    const result = this.#unlockNow(record).finally(() => {
      if (this.#unlocking.get(record.id)?.result === result) this.#unlocking.delete(record.id)
    })
    this.#unlocking.set(record.id, { record, result })
    return result
  }

  async #unlockNow(record: KeyRecord): Promise<UnlockedKey> {
    try {
      const unlocked = await this.#unlock(record)
      this.put(record, unlocked)
      return unlocked
    } catch (error) {
      if (!isTemporary(failureOf(error))) {
        this.#refused.set(record.id, { record, error, until: performance.now() + RETRY_MS })
      }
      throw error
    }
  }

  /** An unreachable provider leaves the entry until its hard TTL; a refusal takes it away at once. */
  #refresh(entry: CacheEntry): void {
    if (this.#refreshes >= MAX_REFRESHES) return
    entry.refreshAt = performance.now() + RETRY_MS
    if (this.#unlocking.has(entry.record.id)) return
    this.#refreshes++
    this.#unlockOnce(entry.record)
      .then(
        () => this.#emit({ type: 'key-refreshed', ...eventKey(entry.record) }),
        (error: unknown) => this.#notRefreshed(entry, error),
      )
      .finally(() => {
        this.#refreshes--
      })
  }

  #notRefreshed(entry: CacheEntry, error: unknown): void {
    const failure = failureOf(error)
    if (failure === 'transient' || failure === 'session') entry.isStale = true
    else this.#evict(entry, failure ?? 'error')
  }
}

function sameKey(a: KeyRecord, b: KeyRecord): boolean {
  return (
    a.id === b.id &&
    a.domain === b.domain &&
    a.purpose === b.purpose &&
    a.version === b.version &&
    Buffer.compare(a.kcv, b.kcv) === 0
  )
}
