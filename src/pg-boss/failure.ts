import { isMortiseError, MortiseError } from '../errors'

/**
 * What pg-boss may keep of an error: it stores every property of what a worker throws, and those of a
 * failed statement hold the parameters.
 */
export function failureOf(error: unknown): Error {
  if (isMortiseError(error)) {
    return new MortiseError(error.code, error.message, { retryable: error.retryable })
  }
  const { name, code } = Object(error) as { name?: unknown; code?: unknown }
  const state = typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? ` ${code}` : ''
  return new Error(
    `${String(name)}${state}: given in full to onError of the worker, and not kept here`,
  )
}
