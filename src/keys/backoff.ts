const BASE_MS = 50
const MAX_MS = 2_000

/**
 * The pause after a failed attempt, in milliseconds: uniform between 0 and a bound that doubles from
 * 50 ms to 2 s. The whole range is random ("full jitter"), so that the processes that one outage hit
 * at the same moment do not come back at the same moment.
 *
 * @param attempt - the one that failed, from 1
 */
export function backoffMs(attempt: number): number {
  return Math.random() * Math.min(MAX_MS, BASE_MS * 2 ** (attempt - 1))
}

/** A full budget: what a process that just started may retry at once. */
const MAX_RETRIES = 20
const PER_CALL = 0.1
const PER_MS = 1 / 1000

/**
 * How many retries a provider gets: one for every ten calls, and one a second for a process that
 * makes few. Without it, an outage multiplies the calls of every caller.
 */
export class RetryBudget {
  #retries = MAX_RETRIES
  #countedAt = performance.now()

  /** A first attempt is about to be made. */
  earn(): void {
    this.#add(PER_CALL)
  }

  /** @returns false where nothing is left: the failure stands */
  spend(): boolean {
    this.#add(0)
    if (this.#retries < 1) return false
    this.#retries -= 1
    return true
  }

  #add(retries: number): void {
    const now = performance.now()
    const earned = this.#retries + retries + (now - this.#countedAt) * PER_MS
    this.#retries = Math.min(MAX_RETRIES, earned)
    this.#countedAt = now
  }
}
