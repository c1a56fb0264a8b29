import { isMortiseError, MortiseError, type MortiseErrorCode } from '../errors'
import type { EncryptedColumn } from './encrypted-column'
import { Sealed } from './sealed'

/** Causes that lie in one stored value, or in the key that it names. */
const OF_ONE_VALUE: readonly MortiseErrorCode[] = [
  'ERR_DECRYPTION_FAILED',
  'ERR_ENVELOPE_MALFORMED',
  'ERR_ENVELOPE_VERSION',
  'ERR_ENVELOPE_FLAGS',
  'ERR_KEY_NOT_FOUND',
  'ERR_KEY_STATE',
]

/** What becomes of a stored value that does not open. */
export type DamagedValues = 'throw' | 'sealed'

/**
 * Opens one stored value, or says what is wrong with it.
 *
 * @returns what `open` gives; a {@link Sealed} where it does not open and the runtime asks for one
 * @throws what `open` throws, naming the property
 */
export function openOrSeal<Value>(
  damaged: DamagedValues,
  { field: { name } }: EncryptedColumn,
  stored: unknown,
  open: () => Value,
): Value | Sealed {
  try {
    return open()
  } catch (error) {
    if (!isMortiseError(error)) throw error
    if (damaged === 'sealed' && OF_ONE_VALUE.includes(error.code)) {
      return new Sealed({ field: name, code: error.code, stored })
    }
    throw error.field === undefined ? named(error, name) : error
  }
}

function named({ code, message, retryable }: MortiseError, field: string): MortiseError {
  return new MortiseError(code, `${field}: ${message}`, { field, retryable })
}
