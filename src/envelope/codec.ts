import { isUtf8 } from 'node:buffer'
import { types } from 'node:util'
import { asBuffer } from '../bytes'
import { MortiseError } from '../errors'
import { isCalendarDate } from './calendar-date'
import { readJson, writeJson } from './json-value'
import { TYPE_BYTES, type ValueType } from './value-type'

export { sameValue } from './same-value'

/** How one type is written. Both directions give undefined for what the type cannot hold. */
interface Codec {
  /** Completes "expected …" in the error. */
  readonly expects: string
  encode(value: unknown): Uint8Array | string | undefined
  decode(bytes: Buffer): unknown
}

const DECIMAL = /^(?:0|-?[1-9][0-9]*)$/
/** ECMA-262 21.4.1.1: a Date is at most this many milliseconds from the epoch. */
const MAX_DATE_MS = 8_640_000_000_000_000n

const CODECS: Readonly<Record<ValueType, Codec>> = {
  string: {
    expects: 'a string without lone surrogates',
    encode: (value) => (typeof value === 'string' && value.isWellFormed() ? value : undefined),
    decode: text,
  },
  number: {
    expects: 'a finite number',
    encode: (value) => (Number.isFinite(value) ? doubleBytes(value as number) : undefined),
    decode: finiteNumber,
  },
  bigint: {
    expects: 'a bigint',
    encode: (value) => (typeof value === 'bigint' ? String(value) : undefined),
    decode: decimal,
  },
  boolean: {
    expects: 'true or false',
    encode: (value) => (typeof value === 'boolean' ? Buffer.of(Number(value)) : undefined),
    decode: (bytes) => (bytes.length === 1 && bytes[0]! <= 1 ? bytes[0] === 1 : undefined),
  },
  timestamp: {
    expects: 'a valid Date',
    encode: (value) => (isValidDate(value) ? millisecondBytes(value) : undefined),
    decode: instant,
  },
  date: {
    expects: "a calendar date 'YYYY-MM-DD' of the years 0001 to 9999",
    encode: (value) => (typeof value === 'string' && isCalendarDate(value) ? value : undefined),
    decode: (bytes) =>
      isCalendarDate(bytes.toString('latin1')) ? bytes.toString('latin1') : undefined,
  },
  bytes: {
    expects: 'a Uint8Array',
    encode: (value) => (types.isUint8Array(value) ? value : undefined),
    decode: (bytes) => Buffer.from(bytes),
  },
  json: {
    expects: 'a value that JSON keeps as it is',
    encode: writeJson,
    decode: (bytes) => (isUtf8(bytes) ? readJson(bytes.toString('utf8')) : undefined),
  },
}

/**
 * Writes a value as T = type byte | value: what is sealed, and what exact tokens are made of.
 *
 * One value has one encoding. -0 and 0 differ; text is not normalised.
 *
 * @param value - never null or undefined: SQL NULL stays NULL and is not sealed
 * @param field - `Entity.property`, for the error
 * @throws ERR_VALUE_INVALID where `value` does not fit `type`
 * @see docs/format.md "Plaintext"
 */
export function encodeValue(type: ValueType, value: unknown, field: string): Buffer {
  const encoded = CODECS[type].encode(value)
  if (encoded === undefined) {
    throw new MortiseError(
      'ERR_VALUE_INVALID',
      `${field} is declared as ${type}: expected ${CODECS[type].expects}, received ${kindOf(value)}`,
      { field },
    )
  }
  const bytes = typeof encoded === 'string' ? Buffer.from(encoded, 'utf8') : encoded
  return Buffer.concat([Buffer.of(TYPE_BYTES[type]), bytes])
}

/**
 * Inverse of {@link encodeValue}: accepts exactly what that writes for `type`, nothing else.
 *
 * @param encoded - T; bytes are copied out of it
 * @returns the value, or undefined (which no sealed value is) for another type byte or a value that
 *   is not in its one canonical form
 */
export function decodeValue(type: ValueType, encoded: Uint8Array): unknown {
  if (encoded[0] !== TYPE_BYTES[type]) return undefined
  return CODECS[type].decode(asBuffer(encoded.subarray(1)))
}

function text(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}

function doubleBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleBE(value)
  return bytes
}

function finiteNumber(bytes: Buffer): number | undefined {
  const value = bytes.length === 8 ? bytes.readDoubleBE() : Number.NaN
  return Number.isFinite(value) ? value : undefined
}

function decimal(bytes: Buffer): bigint | undefined {
  const digits = bytes.toString('latin1')
  return DECIMAL.test(digits) ? BigInt(digits) : undefined
}

function isValidDate(value: unknown): value is Date {
  return types.isDate(value) && !Number.isNaN(value.getTime())
}

function millisecondBytes(value: Date): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(BigInt(value.getTime()))
  return bytes
}

function instant(bytes: Buffer): Date | undefined {
  if (bytes.length !== 8) return undefined
  const milliseconds = bytes.readBigInt64BE()
  const inRange = milliseconds >= -MAX_DATE_MS && milliseconds <= MAX_DATE_MS
  return inRange ? new Date(Number(milliseconds)) : undefined
}

/** The kind of a value for an error message; never the value. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (types.isDate(value)) return isValidDate(value) ? 'a Date' : 'an invalid Date'
  if (typeof value === 'number' && !Number.isFinite(value)) return 'NaN or an infinity'
  if (typeof value !== 'object') return `a ${typeof value}`
  return Array.isArray(value) ? 'an array' : 'an object'
}
