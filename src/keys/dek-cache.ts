import { sha256 } from '../crypto/hash'
import type { SecretKey } from '../crypto/secret-key'

/** How much a {@link DekCache} keeps, and for how long. */
export interface DekCacheLimits {
  /** Milliseconds after which a DEK is unwrapped again; 0 keeps none. */
  readonly ttlMs: number
  /** How many pages a DEK may serve before it is unwrapped again. */
  readonly maxUses: number
  /** How many DEKs are in memory at most. */
  readonly maxCached: number
}

interface Entry {
  readonly keyId: string
  readonly dek: SecretKey
  readonly expiresAt: number
  usesLeft: number
}

/**
 * DEKs that a provider unwrapped, for reading: whoever reads the memory of the process reads no more
 * records than these.
 *
 * Found by key id and the SHA-256 of the wrapped DEK, so that a blob of a kilobyte is not kept with
 * its key. All live equally long, hence the oldest is always the first to expire and the one that
 * makes room. An idle process forgets them as well.
 */
export class DekCache {
  readonly #limits: DekCacheLimits
  readonly #entries = new Map<string, Entry>()
  #sweep: NodeJS.Timeout | undefined
  #discarded = false

  constructor(limits: DekCacheLimits) {
    this.#limits = limits
  }

  /** The name of a wrapped DEK in this cache. */
  static nameOf(keyId: string, wrappedDek: Uint8Array): string {
    return keyId + sha256(wrappedDek).toString('latin1')
  }

  /** The DEK, counted as one use; undefined where its provider must be asked. */
  take(name: string): SecretKey | undefined {
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    const expired = performance.now() >= entry.expiresAt
    entry.usesLeft--
    if (expired || entry.usesLeft <= 0) this.#entries.delete(name)
    return expired ? undefined : entry.dek
  }

  /** Keeps a DEK that was unwrapped, and used, just now. */
  put(name: string, keyId: string, dek: SecretKey): void {
    const { ttlMs, maxUses, maxCached } = this.#limits
    const usesLeft = maxUses - 1
    if (this.#discarded || ttlMs === 0 || usesLeft === 0 || maxCached === 0) return
    this.#entries.delete(name)
    this.#entries.set(name, { keyId, dek, usesLeft, expiresAt: performance.now() + ttlMs })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > maxCached && oldest !== undefined) this.#entries.delete(oldest)
    this.#sweep ??= this.#sweepAfter(ttlMs)
  }

  /** Forgets the DEKs of every key that `keep` does not want. */
  retain(keep: (keyId: string) => boolean): void {
    for (const [name, { keyId }] of this.#entries) if (!keep(keyId)) this.#entries.delete(name)
  }

  /** Forgets everything, for good: what is still being unwrapped is not kept either. */
  discard(): void {
    this.#discarded = true
    this.#entries.clear()
    clearTimeout(this.#sweep)
  }

  #sweepAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#sweep = undefined
      const now = performance.now()
      for (const [name, { expiresAt }] of this.#entries) {
        if (expiresAt > now) {
          this.#sweep = this.#sweepAfter(Math.ceil(expiresAt - now))
          return
        }
        this.#entries.delete(name)
      }
    }, ms).unref()
  }
}
