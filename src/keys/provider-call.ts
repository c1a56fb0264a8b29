import { MortiseError } from '../errors'
import type { KeyContext } from '../providers/provider'

/** What a provider is asked for; `canary` wraps and unwraps a key that is made for it. */
export type ProviderOperation = 'open' | 'wrap' | 'unwrap' | 'rewrap' | 'canary'

/** One call, before it is made. */
export interface ProviderCall {
  readonly operation: ProviderOperation
  /** The key that is wrapped or unwrapped; absent for `open`. */
  readonly context?: KeyContext
  /** Ends the call early, without any verdict on the provider. */
  readonly signal?: AbortSignal | undefined
  /** Not retried: who asks wants to know how the provider is now. */
  readonly once?: boolean
}

/** What a denial is about: who may not wrap under a key may still unwrap under it. */
export function subjectOf({ operation, context }: ProviderCall): string {
  return context === undefined ? operation : `${operation} ${context.id}`
}

/** The call as errors name it, for example `unwrap key … (domain default, data, version 1)`. */
export function describeCall({ operation, context }: ProviderCall): string {
  if (context === undefined) return operation
  const { use, id, domain, purpose, version } = context
  const what = use === 'dek' ? 'a DEK of key' : 'key'
  return `${operation} ${what} ${id} (domain ${domain}, ${purpose}, version ${version})`
}

/** The error of an attempt that was not answered in time. */
export function timedOut(uri: string, call: ProviderCall, ms: number): MortiseError {
  return new MortiseError(
    'ERR_KEY_PROVIDER',
    `${uri} did not ${describeCall(call)} within ${Math.round(ms)} ms`,
    { failure: 'transient', retryable: true },
  )
}

/** The error of the last attempt, with what was tried. */
export function givenUp(last: MortiseError, ms: number): MortiseError {
  const { code, message, failure, cause } = last
  const text = `${message} (given up after ${Math.round(ms)} ms with retries)`
  return new MortiseError(code, text, { failure, cause, retryable: true })
}

/** The error of a call that was not made, because those before it failed. */
export function breakerOpen(
  uri: string,
  waitMs: number,
  last: MortiseError | undefined,
): MortiseError {
  const until = new Date(Date.now() + waitMs).toISOString()
  return new MortiseError(
    'ERR_KEY_PROVIDER',
    `${uri} failed several times in a row and is not asked before ${until}; the last failure was: ${last?.message ?? 'no answer'}`,
    { failure: 'transient', retryable: true },
  )
}
