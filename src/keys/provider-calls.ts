import type { KeyProvider } from '../providers/provider'
import type { KeyEventHandler } from './events'

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
}

/** What a provider is asked for. */
export type ProviderOperation = 'open' | 'wrap' | 'unwrap' | 'rewrap'

/** One call, before it is made. */
export interface ProviderCall {
  readonly operation: ProviderOperation
  /** 16 hex digits; absent for `open`. */
  readonly keyId?: string
  /** Ends the call early, without any verdict on the provider. */
  readonly signal?: AbortSignal | undefined
}

/** Makes the calls of one provider. */
export class ProviderCalls {
  constructor(_provider: Pick<KeyProvider, 'uri'>, _circumstances: CallCircumstances) {}

  get breaker(): 'closed' | 'open' | 'half-open' {
    return 'closed'
  }

  async run<T>(_call: ProviderCall, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return work(new AbortController().signal)
  }
}
