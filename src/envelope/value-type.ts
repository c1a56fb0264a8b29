/**
 * The eight value types of format 1, in the order of their type bytes. The type is part of what is
 * sealed: an envelope of one type never opens as another.
 *
 * @see docs/format.md "Plaintext"
 */
export const VALUE_TYPES = [
  'string',
  'number',
  'bigint',
  'boolean',
  'timestamp',
  'date',
  'bytes',
  'json',
] as const

/** One of {@link VALUE_TYPES}. */
export type ValueType = (typeof VALUE_TYPES)[number]

/** The first byte of every encoded value. Part of format 1: cannot change without a new version. */
export const TYPE_BYTES: Readonly<Record<ValueType, number>> = {
  string: 0x01,
  number: 0x02,
  bigint: 0x03,
  boolean: 0x04,
  timestamp: 0x05,
  date: 0x06,
  bytes: 0x07,
  json: 0x08,
}
