import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { SecretKey } from './secret-key'

/** SHA-256 (FIPS 180-4). */
export function sha256(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest()
}

/** HMAC-SHA-256 (RFC 2104, RFC 4231). */
export function hmacSha256(key: SecretKey | Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

/** HMAC-SHA-512 (RFC 2104, RFC 4231). */
export function hmacSha512(key: SecretKey | Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha512', key).update(data).digest()
}

/** Compares in time that depends on the length only. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
