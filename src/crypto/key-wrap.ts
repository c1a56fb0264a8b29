import { createCipheriv, createDecipheriv } from 'node:crypto'
import { KEY_BYTES, type SecretKey } from './secret-key'

/** RFC 3394 section 2.2.3.1. */
const DEFAULT_IV = Buffer.alloc(8, 0xa6)

/** Length of a wrapped 32-byte key: RFC 3394 adds one 64-bit block. */
export const WRAPPED_KEY_BYTES = 40

/** AES-256 key wrap of exactly 32 bytes (RFC 3394, NIST SP 800-38F 6.2). */
export function wrapKey(wrappingKey: SecretKey, key: Uint8Array): Buffer {
  if (key.length !== KEY_BYTES) throw new RangeError(`a wrapped key holds ${KEY_BYTES} bytes`)
  const cipher = createCipheriv('id-aes256-wrap', wrappingKey, DEFAULT_IV)
  return Buffer.concat([cipher.update(key), cipher.final()])
}

/**
 * Inverse of {@link wrapKey}.
 *
 * Node's decipher returns 0 bytes, without an error, for lengths it cannot unwrap; both lengths are
 * therefore checked here.
 *
 * @returns 32 bytes, or `null` where the wrap does not authenticate
 */
export function unwrapKey(wrappingKey: SecretKey, wrapped: Uint8Array): Buffer | null {
  if (wrapped.length !== WRAPPED_KEY_BYTES) return null
  try {
    const decipher = createDecipheriv('id-aes256-wrap', wrappingKey, DEFAULT_IV)
    // Not joined with the (empty) final block: Buffer.concat would leave a copy of the key in the
    // pool that all small Buffers of the process share.
    const key = decipher.update(wrapped)
    decipher.final()
    return key.length === KEY_BYTES ? key : null
  } catch {
    return null
  }
}
