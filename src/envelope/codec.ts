import { isUtf8 } from 'node:buffer'
import { types } from 'node:util'
import { asBuffer } from '../bytes'
import { MortiseError } from '../errors'
import { isCalendarDate } from './calendar-date'
import { readJson, writeJson } from './json-value'
import { TYPE_BYTES, VALUE_TYPES, type ValueType } from './value-type'

export { sameValue } from './same-value'

/** How one type is written. Both directions give undefined for what the type cannot hold. */
interface Codec {
  /** Completes "expected …" in the error. */
  readonly expects: string
  /** The value without its type byte; text stands for its UTF-8. */
  encode(value: unknown): Uint8Array | string | undefined
  /** @param encoded - T, its type byte included: a view without it would be one object more per value */
  decode(encoded: Buffer): unknown
}

/** The value begins behind its type byte. */
const VALUE_OFFSET = 1
/** Every type byte is one character of ASCII. */
const TYPE_TEXTS = Object.fromEntries(
  VALUE_TYPES.map((type) => [type, String.fromCharCode(TYPE_BYTES[type])]),
) as Readonly<Record<ValueType, string>>

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
    decode: oneBit,
  },
  timestamp: {
    expects: 'a valid Date',
    encode: (value) => (isValidDate(value) ? millisecondBytes(value) : undefined),
    decode: instant,
  },
  date: {
    expects: "a calendar date 'YYYY-MM-DD' of the years 0001 to 9999",
    encode: (value) => (typeof value === 'string' && isCalendarDate(value) ? value : undefined),
    decode: calendarDate,
  },
  bytes: {
    expects: 'a Uint8Array',
    encode: (value) => (types.isUint8Array(value) ? value : undefined),
    decode: (encoded) => Buffer.from(encoded.subarray(VALUE_OFFSET)),
  },
  json: {
    expects: 'a value that JSON keeps as it is',
    encode: writeJson,
    decode: (encoded) => readJson(text(encoded)),
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
  const content = contentOf(type, value, field)
  // Joined as text, so that the whole is written once.
  if (typeof content === 'string') return Buffer.from(TYPE_TEXTS[type] + content, 'utf8')
  const encoded = Buffer.allocUnsafe(VALUE_OFFSET + content.length)
  encoded[0] = TYPE_BYTES[type]
  encoded.set(content, VALUE_OFFSET)
  return encoded
}

/**
 * Checks a value that need not be encoded.
 *
 * @throws ERR_VALUE_INVALID exactly where {@link encodeValue} does
 */
export function checkValue(type: ValueType, value: unknown, field: string): void {
  contentOf(type, value, field)
}

function contentOf(type: ValueType, value: unknown, field: string): Uint8Array | string {
  const content = CODECS[type].encode(value)
  if (content !== undefined) return content
  throw new MortiseError(
    'ERR_VALUE_INVALID',
    `${field} is declared as ${type}: expected ${CODECS[type].expects}, received ${kindOf(value)}`,
    { field },
  )
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
  return CODECS[type].decode(asBuffer(encoded))
}

/** The type byte is ASCII: it makes no invalid UTF-8 valid. */
function text(encoded: Buffer): string | undefined {
  return isUtf8(encoded) ? encoded.toString('utf8', VALUE_OFFSET) : undefined
}

function doubleBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleBE(value)
  return bytes
}

function finiteNumber(encoded: Buffer): number | undefined {
  const value =
    encoded.length === VALUE_OFFSET + 8 ? encoded.readDoubleBE(VALUE_OFFSET) : Number.NaN
  return Number.isFinite(value) ? value : undefined
}

function decimal(encoded: Buffer): bigint | undefined {
  const digits = encoded.toString('latin1', VALUE_OFFSET)
  return DECIMAL.test(digits) ? BigInt(digits) : undefined
}

function oneBit(encoded: Buffer): boolean | undefined {
  const bit = encoded[VALUE_OFFSET]
  return encoded.length === VALUE_OFFSET + 1 && bit! <= 1 ? bit === 1 : undefined
}

function calendarDate(encoded: Buffer): string | undefined {
  const date = encoded.toString('latin1', VALUE_OFFSET)
  return isCalendarDate(date) ? date : undefined
}

function isValidDate(value: unknown): value is Date {
  return types.isDate(value) && !Number.isNaN(value.getTime())
}

function millisecondBytes(value: Date): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(BigInt(value.getTime()))
  return bytes
}

function instant(encoded: Buffer): Date | undefined {
  if (encoded.length !== VALUE_OFFSET + 8) return undefined
  const milliseconds = encoded.readBigInt64BE(VALUE_OFFSET)
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
