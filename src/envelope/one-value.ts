import { isMortiseError, type MortiseError, type MortiseErrorCode } from '../errors'

const OF_ALL: readonly MortiseErrorCode[] = ['ERR_KEY_PROVIDER', 'ERR_KEY_STORE', 'ERR_CLOSED']

/** What is wrong with one value must not end the work on the others. */
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

function ofOneValue(error: unknown): MortiseError {
  if (isMortiseError(error) && !concernsAll(error)) return error
  throw error
}

/** Whether a cause concerns more than one value: the job stops, and may go on later. */
export function concernsAll({ code }: MortiseError): boolean {
  return OF_ALL.includes(code)
}
