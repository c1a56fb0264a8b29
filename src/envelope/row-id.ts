import { MortiseError } from '../errors'

/** Types of primary column that a row can be bound by. */
export type RowIdKind = 'uuid' | 'integer' | 'text'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const DECIMAL = /^(?:0|-?[1-9][0-9]*)$/

/**
 * Encodes the primary key of a row for the AAD: 0x10 | 16 bytes, 0x03 | decimal or 0x01 | UTF-8.
 *
 * @param value - uuid: hyphenated text of either case; integer: a safe integer, a bigint or canonical
 *   decimal text (as drivers give 64-bit columns); text: well-formed text
 * @param field - `Entity.property`, for the error
 * @throws ERR_ROW_UNKNOWN where `value` is null or undefined
 * @throws ERR_VALUE_INVALID where `value` does not fit `kind`
 * @see docs/format.md "Row id"
 */
export function encodeRowId(kind: RowIdKind, value: unknown, field?: string): Buffer {
  if (value === null || value === undefined) {
    throw new MortiseError(
      'ERR_ROW_UNKNOWN',
      `${field ?? 'the field'} is bound to its row, and the row has no primary key yet`,
      { field },
    )
  }
  const encoded = ENCODERS[kind](value)
  if (encoded === undefined) {
    throw new MortiseError(
      'ERR_VALUE_INVALID',
      `the row id of ${field ?? 'the field'} does not fit a primary column of type ${kind}`,
      { field },
    )
  }
  return encoded
}

const ENCODERS: Readonly<Record<RowIdKind, (value: unknown) => Buffer | undefined>> = {
  uuid: (value) =>
    typeof value === 'string' && UUID.test(value)
      ? Buffer.from(`10${value.replaceAll('-', '')}`, 'hex')
      : undefined,
  integer: (value) => {
    const isInteger = Number.isSafeInteger(value) || ['bigint', 'string'].includes(typeof value)
    const digits = String(value)
    return isInteger && DECIMAL.test(digits) ? Buffer.from(`\x03${digits}`) : undefined
  },
  text: (value) =>
    typeof value === 'string' && value.isWellFormed() ? Buffer.from(`\x01${value}`) : undefined,
}
