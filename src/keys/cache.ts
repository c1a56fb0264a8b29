import { isMortiseError } from '../errors'
import type { KeyRecord } from '../key-store/store'
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
  refreshAt: number
  readonly expiresAt: number
}

/** A domain has dozens of KEKs; the bound is against a key store that was filled on purpose. */
const MAX_ENTRIES = 1000
/** At most one background attempt per second, and one provider call per second for a closed key. */
const RETRY_MS = 1000

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
  #discarded = false

  constructor(unlock: (record: KeyRecord) => Promise<UnlockedKey>, times: KeyCacheTimes) {
    this.#unlock = unlock
    this.#times = times
  }

  /** The unlocked key if it is in memory and within its hard TTL; never any I/O to wait for. */
  peek(record: KeyRecord): UnlockedKey | undefined {
    const entry = this.#entries.get(record.id)
    if (entry === undefined || !this.#serves(entry, record)) return undefined
    const now = performance.now()
    if (now >= entry.expiresAt) return undefined
    if (now >= entry.refreshAt) this.#refresh(entry)
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
    const now = performance.now()
    const jitter = 0.9 + 0.2 * Math.random()
    this.#entries.delete(record.id)
    this.#entries.set(record.id, {
      record,
      unlocked,
      refreshAt: now + this.#times.softTtlMs * jitter,
      expiresAt: now + this.#times.hardTtlMs,
    })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > MAX_ENTRIES && oldest !== undefined) this.#entries.delete(oldest)
  }

  /** Forgets every key that `keep` does not want. */
  retain(keep: (id: string) => boolean): void {
    for (const id of this.#entries.keys()) if (!keep(id)) this.#entries.delete(id)
    for (const id of this.#refused.keys()) if (!keep(id)) this.#refused.delete(id)
  }

  /** Forgets everything, for good: what is still being unlocked is not kept either. */
  discard(): void {
    this.#discarded = true
    this.retain(() => false)
  }

  #serves(entry: CacheEntry, record: KeyRecord): boolean {
    if (entry.record === record) return true
    if (!sameKey(entry.record, record)) {
      this.#entries.delete(record.id)
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
      if (isMortiseError(error, 'ERR_KEY_INTEGRITY')) {
        this.#refused.set(record.id, { record, error, until: performance.now() + RETRY_MS })
      }
      throw error
    }
  }

  /** An unreachable provider leaves the entry until its hard TTL; a refusal takes it away at once. */
  #refresh(entry: CacheEntry): void {
    entry.refreshAt = performance.now() + RETRY_MS
    this.#unlockOnce(entry.record).catch((error: unknown) => {
      const temporary = isMortiseError(error, 'ERR_KEY_PROVIDER') && error.retryable
      const { id } = entry.record
      if (!temporary && this.#entries.get(id) === entry) this.#entries.delete(id)
    })
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
