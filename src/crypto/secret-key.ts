import { createSecretKey, type KeyObject } from 'node:crypto'

/**
 * A 32-byte key held in native memory: never shown by `inspect` or JSON, and the fast form on every
 * supported Node (a raw Buffer key costs 8 µs more per operation on Node 24).
 */
export type SecretKey = KeyObject

/** Key length of every key in the hierarchy, in bytes. */
export const KEY_BYTES = 32

/**
 * Imports 32 key bytes. The caller still owns, and should zero, its copy.
 *
 * @throws RangeError for any other length: a programming error, never a data error
 */
export function secretKey(bytes: Uint8Array): SecretKey {
  if (bytes.length !== KEY_BYTES) throw new RangeError(`a key is ${KEY_BYTES} bytes`)
  return createSecretKey(bytes)
}
