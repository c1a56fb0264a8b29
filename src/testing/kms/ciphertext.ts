import { encodeParts, u32 } from '../../bytes'
import { IV_BYTES, openAead, sealAead, TAG_BYTES } from '../../crypto/aead'
import { randomBlob } from '../random'
import { currentMaterial, type KeyFamily } from './key'
import { KmsError } from './kms-error'
import type { EncryptionContext } from './parameters'

// magic | key id | number of the material | IV | ciphertext | tag. The header is authenticated as well.
// AWS does not publish its own layout; nobody may rely on either.
const MAGIC = Buffer.from('KMSE')
/** A UUID, or `mrk-` and 32 hex digits. */
const KEY_ID_BYTES = 36
const IV_OFFSET = MAGIC.length + KEY_ID_BYTES + 4
const MIN_BYTES = IV_OFFSET + IV_BYTES + TAG_BYTES

/** Encrypts under the family's current material. */
export function encrypt(
  family: KeyFamily,
  context: EncryptionContext,
  plaintext: Uint8Array,
): Buffer {
  const number = u32(family.materials.length - 1)
  const header = Buffer.concat([MAGIC, Buffer.from(family.keyId, 'latin1'), number])
  const iv = randomBlob(IV_BYTES)
  const { key } = currentMaterial(family)
  const [ciphertext, tag] = sealAead(key, iv, associatedData(header, context), plaintext)
  return Buffer.concat([header, iv, ciphertext, tag])
}

/** The id of the key that made a blob, as the blob claims; null where it is none of ours. */
export function claimedKeyId(blob: Buffer): string | null {
  if (blob.length < MIN_BYTES || !blob.subarray(0, MAGIC.length).equals(MAGIC)) return null
  return blob.toString('latin1', MAGIC.length, MAGIC.length + KEY_ID_BYTES)
}

/**
 * Inverse of {@link encrypt}.
 *
 * @returns the plaintext and the id of the material
 * @throws InvalidCiphertextException, without a message, as AWS does for every cause
 */
export function decrypt(
  family: KeyFamily,
  context: EncryptionContext,
  blob: Buffer,
): { plaintext: Buffer; materialId: string } {
  if (claimedKeyId(blob) !== family.keyId) throw invalidCiphertext()
  const material = family.materials[blob.readUInt32BE(IV_OFFSET - 4)]
  if (material === undefined) throw invalidCiphertext()
  const plaintext = openAead(
    material.key,
    blob.subarray(IV_OFFSET, IV_OFFSET + IV_BYTES),
    associatedData(blob.subarray(0, IV_OFFSET), context),
    blob.subarray(IV_OFFSET + IV_BYTES, -TAG_BYTES),
    blob.subarray(-TAG_BYTES),
  )
  if (plaintext === null) throw invalidCiphertext()
  return { plaintext, materialId: material.id }
}

/** The error for a blob that does not authenticate, or is none. */
export function invalidCiphertext(): KmsError {
  return new KmsError('InvalidCiphertextException')
}

/** In the order of the names: a context is a set of pairs. */
function associatedData(header: Uint8Array, context: EncryptionContext): Buffer {
  const names = Object.keys(context).sort()
  return encodeParts(header, ...names.flatMap((name) => [name, context[name] as string]))
}
