import { encodeParts } from '../bytes'
import { hmacSha256 } from './hash'
import type { SecretKey } from './secret-key'

const ONE = Buffer.of(1)

/**
 * KDF(K, a, b, …): one block of HKDF-Expand-SHA-256 over the injective encoding of its parts.
 *
 * The input key is uniform, so the extract step is not needed; written as one HMAC because
 * `hkdfSync` costs four times as much.
 *
 * @see RFC 5869 section 2.3, with L = 32
 */
export function kdf(key: SecretKey, ...parts: readonly (Uint8Array | string)[]): Buffer {
  return hmacSha256(key, Buffer.concat([encodeParts(...parts), ONE]))
}
