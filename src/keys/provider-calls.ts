import type { MortiseError, ProviderFailure } from '../errors'
import type { KeyProvider } from '../providers/provider'
import { attempt, pause } from './attempt'
import { backoffMs, RetryBudget } from './backoff'
import { Breaker, type BreakerState, type Permit } from './breaker'
import { eventKey, type KeyEventHandler } from './events'
import {
  breakerOpen,
  describeCall,
  givenUp,
  type ProviderCall,
  subjectOf,
  timedOut,
} from './provider-call'
import { failureOf, isTemporary, providerError } from './provider-failure'
import { Refusals } from './refusals'

/** How long calls of providers may take, in milliseconds. */
export interface CallTimes {
  /** One attempt. */
  readonly timeoutMs: number
  /** All attempts of one call, and the pauses between them. */
  readonly deadlineMs: number
}

/** What is the same for all providers of a keyring. */
export interface CallCircumstances {
  readonly times: CallTimes
  readonly emit: KeyEventHandler
  /** Ends every call, with its reason: the keyring was closed. */
  readonly closed: AbortSignal
}

interface Attempt {
  readonly call: ProviderCall
  readonly number: number
  readonly startedAt: number
  readonly permit: Permit
}

/**
 * Makes the calls of one provider: each attempt within its time, temporary failures again after a
 * pause and within one deadline, and none while the breaker is open.
 *
 * A call that was under way when the breaker opened waits for it, as long as its deadline allows; a
 * new one fails at once, so that its caller may turn to another provider.
 *
 * @see docs/how-to/outages.md
 */
export class ProviderCalls {
  readonly #provider: Pick<KeyProvider, 'uri'>
  readonly #circumstances: CallCircumstances
  readonly #breaker: Breaker
  readonly #budget = new RetryBudget()
  readonly #refusals = new Refusals()
  #lastFailure: MortiseError | undefined

  constructor(provider: Pick<KeyProvider, 'uri'>, circumstances: CallCircumstances) {
    this.#provider = provider
    this.#circumstances = circumstances
    this.#breaker = new Breaker((state) => {
      circumstances.emit({ type: 'provider-breaker', providerUri: provider.uri, state })
    })
  }

  get breaker(): BreakerState {
    return this.#breaker.state
  }

  /**
   * @param work - one attempt; its signal aborts where nobody waits for it any more
   * @throws ERR_KEY_PROVIDER, or what typed error the provider threw
   * @throws the reason of `call.signal` once that aborts
   */
  async run<T>(call: ProviderCall, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#refusals.check(subjectOf(call), this.#provider.uri)
    const permit = this.#breaker.admit()
    if (permit === null)
      throw breakerOpen(this.#provider.uri, this.#breaker.waitMs, this.#lastFailure)
    this.#budget.earn()
    const startedAt = performance.now()
    try {
      return await this.#attempt({ call, number: 1, startedAt, permit }, work)
    } catch (error) {
      if (call.once || !this.#isRetried(error, call)) throw error
      return this.#retry(call, startedAt, error as MortiseError, work)
    }
  }

  async #retry<T>(
    call: ProviderCall,
    startedAt: number,
    failed: MortiseError,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const deadline = startedAt + this.#circumstances.times.deadlineMs
    let last = failed
    for (let number = 2; this.#budget.spend(); number++) {
      const permit = await this.#nextPermit(call, number, deadline)
      if (permit === null) break
      try {
        return await this.#attempt({ call, number, startedAt, permit }, work)
      } catch (error) {
        if (!this.#isRetried(error, call)) throw error
        last = error as MortiseError
      }
    }
    throw givenUp(last, performance.now() - startedAt)
  }

  /** Pauses once, and again while the breaker is open or probes; `null` where the time is over. */
  async #nextPermit(call: ProviderCall, number: number, deadline: number): Promise<Permit | null> {
    for (let pauses = number - 1; ; pauses++) {
      const ms = this.#breaker.waitMs + backoffMs(pauses)
      if (performance.now() + ms >= deadline) return null
      await pause(ms, this.#signals(call))
      const permit = this.#breaker.admit()
      if (permit !== null) return permit
    }
  }

  async #attempt<T>(
    { call, number, startedAt, permit }: Attempt,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs, deadlineMs } = this.#circumstances.times
    const begunAt = performance.now()
    const left = Math.min(timeoutMs, startedAt + deadlineMs - begunAt)
    try {
      const result = await attempt(work, {
        timeoutMs: left,
        timedOut: () => timedOut(this.#provider.uri, call, left),
        signals: this.#signals(call),
        onLate: (error) => this.#late(call, error),
      })
      this.#breaker.settle(permit, 'answered')
      this.#report(call, number, begunAt, 'ok')
      return result
    } catch (error) {
      throw this.#failed({ call, number, startedAt: begunAt, permit }, error)
    }
  }

  /** What the attempt's error says about the provider, and the typed error to throw. */
  #failed({ call, number, startedAt, permit }: Attempt, error: unknown): unknown {
    if (this.#signals(call).some(({ aborted }) => aborted)) {
      this.#breaker.settle(permit, 'none')
      this.#report(call, number, startedAt, 'abandoned')
      return error
    }
    const typed = providerError(error, this.#provider.uri, describeCall(call))
    const failure = failureOf(typed)
    const isDown = isTemporary(failure)
    if (failure === 'access') this.#refusals.add(subjectOf(call), typed)
    if (isDown) this.#lastFailure = typed
    this.#report(call, number, startedAt, failure ?? 'error')
    this.#breaker.settle(permit, isDown ? 'failed' : failure === null ? 'none' : 'answered')
    return typed
  }

  #isRetried(error: unknown, call: ProviderCall): boolean {
    return isTemporary(failureOf(error)) && this.#signals(call).every(({ aborted }) => !aborted)
  }

  #signals({ signal }: ProviderCall): AbortSignal[] {
    const { closed } = this.#circumstances
    return signal === undefined ? [closed] : [closed, signal]
  }

  #report(
    { operation, context }: ProviderCall,
    attempt: number,
    begunAt: number,
    outcome: ProviderFailure | 'ok' | 'error' | 'abandoned',
  ): void {
    this.#circumstances.emit({
      type: 'provider-call',
      providerUri: this.#provider.uri,
      operation,
      keyId: context?.id ?? null,
      attempt,
      durationMs: performance.now() - begunAt,
      outcome,
    })
  }

  /** Tampering is reported even where another provider was faster. */
  #late({ context }: ProviderCall, error: unknown): void {
    if (context === undefined || failureOf(error) !== 'integrity') return
    const providerUri = this.#provider.uri
    this.#circumstances.emit({ type: 'key-integrity', ...eventKey(context), providerUri })
  }
}
