import type { KeyPurpose } from '../providers/provider'
import { keyNotFound } from './key-use'

/** An id that the store does not know is not asked for again during this time. */
const UNKNOWN_MS = 1000
/** Ids come out of stored data: whoever writes it must not be able to fill memory. */
const MAX_UNKNOWN = 1000

/** Key ids that the store was asked for in vain, for a second. */
export class UnknownIds {
  readonly #until = new Map<string, number>()

  /** @throws ERR_KEY_NOT_FOUND for an id that was unknown a moment ago */
  refuse(id: string, domain: string, purpose: KeyPurpose | 'subject'): void {
    const until = this.#until.get(id)
    if (until === undefined) return
    if (performance.now() < until) throw keyNotFound(id, domain, purpose)
    this.#until.delete(id)
  }

  /** @throws ERR_KEY_NOT_FOUND, now and for a second */
  remember(id: string, domain: string, purpose: KeyPurpose | 'subject'): never {
    if (this.#until.size >= MAX_UNKNOWN) this.#until.clear()
    this.#until.set(id, performance.now() + UNKNOWN_MS)
    throw keyNotFound(id, domain, purpose)
  }

  clear(): void {
    this.#until.clear()
  }
}
