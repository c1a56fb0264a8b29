/** `open`: no call is made. `half-open`: one call is on its way to see whether others would pass. */
export type BreakerState = 'closed' | 'open' | 'half-open'
/** What a call was let through as. */
export type Permit = 'call' | 'probe'
/** What a call says about the provider; `none` where it was given up by its caller. */
export type Verdict = 'answered' | 'failed' | 'none'

/** So many failures in a row, within this time, open the breaker. */
const FAILURES = 5
const WINDOW_MS = 10_000
const OPEN_MS = 5_000

/**
 * Stops calls of a provider that is not there, so that it is not kept from recovering.
 *
 * Failures in a row are counted, not a rate: a busy provider that loses one call in a hundred is
 * served by retries.
 */
export class Breaker {
  readonly #onChange: (state: BreakerState) => void
  #failures: number[] = []
  #openUntil: number | undefined
  #probing = false

  constructor(onChange: (state: BreakerState) => void) {
    this.#onChange = onChange
  }

  get state(): BreakerState {
    if (this.#openUntil === undefined) return 'closed'
    return this.#probing ? 'half-open' : 'open'
  }

  /** Milliseconds until a call may be let through; 0 also while a probe is under way. */
  get waitMs(): number {
    return Math.max(0, (this.#openUntil ?? 0) - performance.now())
  }

  /** Every permit is handed back with {@link Breaker.settle}. `null`: no call now. */
  admit(): Permit | null {
    if (this.#openUntil === undefined) return 'call'
    if (this.#probing || this.waitMs > 0) return null
    this.#probing = true
    this.#onChange('half-open')
    return 'probe'
  }

  settle(permit: Permit, verdict: Verdict): void {
    if (permit === 'probe') this.#probing = false
    if (verdict === 'answered') this.#close()
    else if (verdict === 'failed' && permit === 'probe') this.#open()
    else if (verdict === 'failed') this.#count()
  }

  #count(): void {
    if (this.#openUntil !== undefined) return
    const now = performance.now()
    this.#failures = [...this.#failures.filter((at) => now - at < WINDOW_MS), now]
    if (this.#failures.length >= FAILURES) this.#open()
  }

  #open(): void {
    this.#openUntil = performance.now() + OPEN_MS
    this.#onChange('open')
  }

  #close(): void {
    this.#failures = []
    if (this.#openUntil === undefined) return
    this.#openUntil = undefined
    this.#onChange('closed')
  }
}
