import { types } from 'node:util'
import { asBuffer } from '../bytes'
import { MortiseError } from '../errors'
import { fromText, toText } from './format'

/** How a column stores envelopes: their bytes, or the text form that begins with `mrt1.`. */
export type StoredForm = 'bytea' | 'text'

/** An envelope as its column stores it. */
export function toStored(envelope: Buffer, form: StoredForm): Buffer | string {
  return form === 'text' ? toText(envelope) : envelope
}

/**
 * Inverse of {@link toStored}; bytes are not copied. Takes no form but the declared one.
 *
 * @param field - `Entity.property`, for the error
 * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION for what is no text form of an envelope, and
 *   for a value of the other form
 */
export function fromStored(stored: unknown, form: StoredForm, field: string): Buffer {
  if (form === 'text' && typeof stored === 'string') return fromText(stored, field)
  if (form === 'bytea' && types.isUint8Array(stored)) return asBuffer(stored)
  throw new MortiseError(
    'ERR_ENVELOPE_MALFORMED',
    `${field}: the column does not hold ${form === 'text' ? 'text' : 'bytes'}; ` +
      `its type in the database must be ${form}`,
    { field },
  )
}
