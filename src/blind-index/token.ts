import { hmacSha256 } from '../crypto/hash'
import { encodeValue } from '../envelope/codec'
import type { ValueType } from '../envelope/value-type'
import type { TokenKey } from '../keys/access'
import { declarationError } from './declaration-error'
import type { Normalizer } from './normalize'

/** Untruncated: equal tokens mean equal values, and only such a column can be unique. */
export const FULL_BITS = 128
const MIN_BITS = 8

/**
 * The exact token of an encoded value: u8(generation) | the first `bits` bits of HMAC-SHA-256.
 *
 * One HMAC. Deterministic: whoever sees the column sees which rows are equal.
 *
 * @param encoded - T after the normaliser, from {@link encodeForToken}
 * @returns 1 + ceil(bits / 8) bytes; unused low bits of the last one are zero
 * @see docs/format.md "Index tokens"
 */
export function tokenOf(key: TokenKey, encoded: Uint8Array): Buffer {
  const length = Math.ceil(key.bits / 8)
  const token = Buffer.allocUnsafe(1 + length)
  token[0] = key.generation
  hmacSha256(key.key, encoded).copy(token, 1, 0, length)
  token[length]! &= 0xff << (length * 8 - key.bits)
  return token
}

/** {@link tokenOf} for many values of one field: all that a statement asks for or writes. */
export function tokensOf(key: TokenKey, encoded: readonly Uint8Array[]): Buffer[] {
  return encoded.map((one) => tokenOf(key, one))
}

/**
 * T = type byte | value, as tokens use it: after the normaliser, with -0 written as +0, which
 * equals it in SQL and in JavaScript.
 *
 * @param field - `Entity.property`, for errors
 * @throws ERR_VALUE_INVALID where the value has another type or the normaliser refuses it
 */
export function encodeForToken(
  type: ValueType,
  value: unknown,
  normalizer: Normalizer,
  field: string,
): Buffer {
  if (type === 'json') throw declarationError(field, 'json has no exact index')
  if (type === 'number' && value === 0) return encodeValue(type, 0, field)
  // A value that the codec refuses never reaches the application's normaliser.
  if (normalizer.id === '' || typeof value !== 'string' || !value.isWellFormed()) {
    return encodeValue(type, value, field)
  }
  return encodeValue(type, normalizer.normalize(value), field)
}

/**
 * Checks a declared token length.
 *
 * @returns the bits, 128 where none are declared
 * @throws ERR_FIELD_INVALID outside 8 to 128
 */
export function checkBits(bits: number | undefined, field: string): number {
  if (bits === undefined) return FULL_BITS
  if (Number.isInteger(bits) && bits >= MIN_BITS && bits <= FULL_BITS) return bits
  throw declarationError(field, `exact.bits must be an integer from ${MIN_BITS} to ${FULL_BITS}`)
}
