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
 * What stands for a stored value that does not open.
 *
 * @param error - why it does not
 * @returns a {@link Sealed} where the runtime asks for one
 * @throws `error`, naming the property
 */
export function sealedOrThrow(
  damaged: DamagedValues,
  { field: { name } }: EncryptedColumn,
  stored: unknown,
  error: unknown,
): Sealed {
  if (!isMortiseError(error)) throw error
  if (damaged === 'sealed' && OF_ONE_VALUE.includes(error.code)) {
    return new Sealed({ field: name, code: error.code, stored })
  }
  throw error.field === undefined ? named(error, name) : error
}

function named({ code, message, retryable }: MortiseError, field: string): MortiseError {
  return new MortiseError(code, `${field}: ${message}`, { field, retryable })
}
