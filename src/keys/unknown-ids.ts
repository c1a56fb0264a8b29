import type { MortiseError } from '../errors'
import type { KeyPurpose } from '../providers/provider'
import { keyNotFound } from './key-use'

/** An id that the store does not know is not asked for again during this time. */
const UNKNOWN_MS = 1000
/** Ids come out of stored data: whoever writes it must not be able to fill memory. */
const MAX_UNKNOWN = 1000

/** Key ids that the store was asked for in vain, for a second. */
export class UnknownIds {
  readonly #until = new Map<string, number>()

  /** Whether the store did not know the id a moment ago. */
  has(id: string): boolean {
    const until = this.#until.get(id)
    if (until !== undefined && performance.now() >= until) this.#until.delete(id)
    return this.#until.has(id)
  }

  /** Remembers the id for a second. @returns ERR_KEY_NOT_FOUND */
  remember(id: string, domain: string, purpose: KeyPurpose | 'subject'): MortiseError {
    if (!this.has(id)) {
      if (this.#until.size >= MAX_UNKNOWN) this.#until.clear()
      this.#until.set(id, performance.now() + UNKNOWN_MS)
    }
    return keyNotFound(id, domain, purpose)
  }

  clear(): void {
    this.#until.clear()
  }
}
