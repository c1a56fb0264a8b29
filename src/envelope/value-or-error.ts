import { isMortiseError, type MortiseError } from '../errors'

/**
 * What `work` gives, or what it says is wrong with one value of many.
 *
 * An error is told from a value by `instanceof`: an opened JSON value may look like one.
 *
 * @throws what is no MortiseError
 */
export function valueOrError<T>(work: () => T): T | MortiseError {
  try {
    return work()
  } catch (error) {
    if (isMortiseError(error)) return error
    throw error
  }
}
