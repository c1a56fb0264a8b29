import { MortiseError } from './errors'

/** One unsigned byte. */
export function u8(value: number): Buffer {
  return Buffer.of(value)
}

/** Big-endian unsigned 16-bit integer. */
export function u16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** Big-endian unsigned 32-bit integer. */
export function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/**
 * UTF-8 bytes of well-formed text.
 *
 * A lone surrogate has no UTF-8 form; Node would replace it by U+FFFD and the value that comes out
 * would differ from the one that went in, so it is refused.
 *
 * @param what - names the value in the error, never its content
 * @throws ERR_VALUE_INVALID for a lone surrogate
 */
export function utf8(text: string, what: string): Buffer {
  if (!text.isWellFormed()) {
    throw new MortiseError(
      'ERR_VALUE_INVALID',
      `${what} contains a lone surrogate, which UTF-8 cannot hold`,
    )
  }
  return Buffer.from(text, 'utf8')
}

/** LP(x): a part behind its 32-bit length, so that concatenated parts are unambiguous. */
export function lengthPrefixed(part: Uint8Array | string): Buffer {
  const bytes = typeof part === 'string' ? utf8(part, 'a context part') : part
  return Buffer.concat([u32(bytes.length), bytes])
}

/**
 * E(a, b, …): the injective encoding that every derivation and AAD is built from.
 *
 * @see docs/format.md "Notation"
 */
export function encodeParts(...parts: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map(lengthPrefixed))
}

const KEY_ID = /^[0-9a-f]{16}$/

/** The 8 bytes of a key id written as 16 hex digits. */
export function keyIdBytes(id: string): Buffer {
  if (!KEY_ID.test(id)) throw new MortiseError('ERR_CONFIG', 'a key id is 16 lower-case hex digits')
  return Buffer.from(id, 'hex')
}

/**
 * Base64url without padding, accepted only in its one canonical spelling.
 *
 * @returns the bytes, or `null` where decoding and encoding again does not give the same text
 */
export function decodeBase64Url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}

/** Bytes as lower-case hex digits. */
export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex')
}

/** A zero-copy Buffer view of any byte array. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

const IDENTIFIER = /^[\x21-\x7e]+$/

/**
 * Checks a name that goes into key derivation and AAD: printable ASCII without space.
 *
 * @param what - names the option in the error
 * @param maxLength - 64 for domains, 255 for field ids
 * @see docs/format.md "Names"
 */
export function checkIdentifier(value: string, what: string, maxLength: number): string {
  if (value.length > maxLength || !IDENTIFIER.test(value)) {
    throw new MortiseError(
      'ERR_CONFIG',
      `${what} must be 1 to ${maxLength} printable ASCII characters without space`,
    )
  }
  return value
}
