import { MortiseError } from '../errors'

/** A UUID with hyphens. */
export const UUID: RegExp = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/**
 * The canonical form of a subject's id, so that an integer column read as 5, a bigint column read as
 * `'5'` and a call with 5 mean one subject.
 *
 * @param value - text, a safe integer or a bigint; UUIDs are compared in lower case
 * @param what - what the value is, for the error
 * @throws ERR_VALUE_INVALID for anything else
 */
export function subjectId(value: unknown, what: string): string {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value)
  if (typeof value === 'string' && value !== '' && value.isWellFormed()) {
    return UUID.test(value) ? value.toLowerCase() : value
  }
  throw new MortiseError(
    'ERR_VALUE_INVALID',
    `${what} is no subject id: it must be a text that is not empty, or a whole number`,
  )
}
