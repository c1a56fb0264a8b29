import { hmacSha256 } from '../crypto/hash'
import { type NativeAddon, nativeAddon, OPERATIONS } from '../crypto/native'
import { NativePage, PAGE_VALUES } from '../crypto/native-page'
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
  return truncated(key, hmacSha256(key.key, encoded))
}

/** Fewer are made as fast by one HMAC object each. */
const MIN_NATIVE_TOKENS = 4

/**
 * {@link tokenOf} for many values of one field: all that a statement asks for or writes. Natively about
 * 0.2 µs for each.
 */
export function tokensOf(key: TokenKey, encoded: readonly Uint8Array[]): Buffer[] {
  const native = encoded.length < MIN_NATIVE_TOKENS ? null : nativeAddon()
  if (native === null) return encoded.map((one) => tokenOf(key, one))
  const tokens: Buffer[] = []
  for (let from = 0; from < encoded.length; from += PAGE_VALUES) {
    const hmacs = nativeHmacs(native, key, encoded.slice(from, from + PAGE_VALUES))
    for (let at = 0; at < hmacs.length; at += HMAC_BYTES) {
      tokens.push(truncated(key, hmacs.subarray(at, at + HMAC_BYTES)))
    }
  }
  return tokens
}

const HMAC_BYTES = 32
/** The addon's keys have ids, which tokens do not name. */
const NO_ID = Buffer.alloc(8)
const NOTHING = Buffer.alloc(0)

/** The HMACs of up to a page of values, one behind the other. */
function nativeHmacs(native: NativeAddon, key: TokenKey, encoded: readonly Uint8Array[]): Buffer {
  const bytes = encoded.reduce((sum, { length }) => sum + length, 0)
  const page = new NativePage(native, OPERATIONS.token, NOTHING, encoded.length, bytes)
  const index = page.keyIndex({ idBytes: NO_ID, key: key.key })
  for (const value of encoded) page.add({ key: index, field: 0, value })
  return page.runNow()
}

function truncated({ bits, generation }: TokenKey, hmac: Buffer): Buffer {
  const length = Math.ceil(bits / 8)
  const token = Buffer.allocUnsafe(1 + length)
  token[0] = generation
  hmac.copy(token, 1, 0, length)
  token[length]! &= 0xff << (length * 8 - bits)
  return token
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
