import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { SecretKey } from './secret-key'

/** Length of the authentication tag, in bytes. Always passed: OpenSSL would accept a shorter one. */
export const TAG_BYTES = 16
/** Length of the IV, in bytes: the 96-bit form that needs no hashing (NIST SP 800-38D 8.2). */
export const IV_BYTES = 12

const OPTIONS = { authTagLength: TAG_BYTES } as const

/**
 * AES-256-GCM (NIST SP 800-38D). The caller guarantees that no (key, IV) pair repeats.
 *
 * @returns ciphertext and the 16-byte tag
 */
export function sealAead(
  key: SecretKey,
  iv: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): [ciphertext: Buffer, tag: Buffer] {
  const cipher = createCipheriv('aes-256-gcm', key, iv, OPTIONS)
  cipher.setAAD(aad)
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return [ciphertext, cipher.getAuthTag()]
}

/**
 * Inverse of {@link sealAead}.
 *
 * @returns the plaintext, or `null` where the tag does not match: nothing leaves before it is checked
 */
export function openAead(
  key: SecretKey,
  iv: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
): Buffer | null {
  if (tag.length !== TAG_BYTES) return null
  const decipher = createDecipheriv('aes-256-gcm', key, iv, OPTIONS)
  decipher.setAAD(aad).setAuthTag(tag)
  const plaintext = decipher.update(ciphertext)
  try {
    decipher.final()
    return plaintext
  } catch {
    return null
  }
}
