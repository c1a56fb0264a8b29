import { isMortiseError, MortiseError } from '../errors'

interface Refusal {
  readonly error: unknown
  readonly until: number
}

/**
 * Whoever was denied is denied for this long without asking: attempts that are denied trip alarms,
 * and a permission that was given back is noticed within a minute, without a restart.
 */
const REFUSAL_MS = 60_000
/** Key ids come out of stored data: whoever writes it must not be able to fill memory. */
const MAX_REFUSALS = 1000

/**
 * What a provider denied (`access`), by operation and key. Permissions differ between them, so one that
 * is denied does not close the provider for the others.
 */
export class Refusals {
  readonly #refused = new Map<string, Refusal>()

  add(subject: string, error: unknown): void {
    if (this.#refused.size >= MAX_REFUSALS) this.#refused.clear()
    this.#refused.set(subject, { error, until: performance.now() + REFUSAL_MS })
  }

  /** @throws ERR_KEY_PROVIDER with `failure: 'access'` while the refusal stands */
  check(subject: string, uri: string): void {
    const refusal = this.#refused.get(subject)
    if (refusal === undefined) return
    const leftMs = refusal.until - performance.now()
    if (leftMs <= 0) {
      this.#refused.delete(subject)
      return
    }
    const { error } = refusal
    const why = isMortiseError(error) ? error.message : 'denied'
    const until = new Date(Date.now() + leftMs).toISOString()
    throw new MortiseError(
      'ERR_KEY_PROVIDER',
      `${why} (${uri} is not asked again before ${until})`,
      {
        failure: 'access',
        cause: error,
      },
    )
  }
}
