import { isMortiseError, type MortiseError, type MortiseErrorCode } from '../errors'

const OF_ALL: readonly MortiseErrorCode[] = ['ERR_KEY_PROVIDER', 'ERR_KEY_STORE', 'ERR_CLOSED']

/**
 * What `work` gives, or what is wrong with one value of many: that must not end the work on the others.
 *
 * Where `work` gives a value of the application's, an error is told from it by `instanceof`: an opened
 * JSON value may look like one.
 *
 * @throws what is no MortiseError, and what concerns more than one value
 */
export function attempt<T>(work: () => T): T | MortiseError {
  try {
    return work()
  } catch (error) {
    return ofOneValue(error)
  }
}

/** {@link attempt} for work that waits. */
export async function attemptAsync<T>(work: () => Promise<T>): Promise<T | MortiseError> {
  try {
    return await work()
  } catch (error) {
    return ofOneValue(error)
  }
}

/**
 * An error that was caught, where it is of one value.
 *
 * @throws `error` where it is no MortiseError or concerns more than one value
 */
export function ofOneValue(error: unknown): MortiseError {
  if (isMortiseError(error) && !concernsAll(error)) return error
  throw error
}

/** Whether a cause concerns more than one value: the job stops, and may go on later. */
export function concernsAll({ code }: MortiseError): boolean {
  return OF_ALL.includes(code)
}
