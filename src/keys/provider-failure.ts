import { isMortiseError, MortiseError, type ProviderFailure } from '../errors'

/**
 * The class of a provider's error, by its `failure`, else by its code and `retryable`.
 *
 * @returns `null` for an error of no class, such as a bug of the provider: never retried
 */
export function failureOf(error: unknown): ProviderFailure | null {
  if (!isMortiseError(error)) return null
  if (error.failure !== undefined) return error.failure
  if (error.code === 'ERR_KEY_INTEGRITY') return 'integrity'
  return error.retryable ? 'transient' : null
}

/** Whether the same call may succeed later by itself. */
export function isTemporary(failure: ProviderFailure | null): boolean {
  return failure === 'transient' || failure === 'session'
}

/** A provider's own typed errors pass; anything else is a provider that failed for good. */
export function providerError(error: unknown, uri: string, doing: string): MortiseError {
  if (isMortiseError(error)) return error
  return new MortiseError('ERR_KEY_PROVIDER', `${uri} failed to ${doing}; see the cause`, {
    cause: error,
  })
}
