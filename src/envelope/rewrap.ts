import { asBuffer } from '../bytes'
import { wrapKey } from '../crypto/key-wrap'
import { MortiseError } from '../errors'
import type { DataKey } from '../keys/access'
import {
  checkPrefix,
  HEAD_BYTES,
  KEY_BLOCK_BYTES,
  KEY_ID_OFFSET,
  parseEnvelope,
  readKeyId,
  refuseReservedFlags,
  WRAP_OFFSET,
} from './format'
import { decryptionFailed } from './open'
import { withDek } from './record-key'

/**
 * Moves an envelope to another key: its DEK is wrapped again, the ciphertext is copied unchanged.
 *
 * One unwrap, one HMAC, one wrap; no value is decrypted and no DEK drawn.
 *
 * @param from - the key that the envelope names
 * @param to - a key of the same domain
 * @returns new bytes; equal ones where the envelope is under `to` already
 * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION, ERR_ENVELOPE_FLAGS as opening does
 * @throws ERR_KEY_NOT_FOUND where the envelope names neither key
 * @throws ERR_DECRYPTION_FAILED where the wrapped DEK or the commitment does not hold
 * @see docs/format.md "Rewrap"
 */
export function rewrapEnvelope(envelope: Uint8Array, from: DataKey, to: DataKey): Buffer {
  const { head } = parseEnvelope(envelope)
  const rewrapped = Buffer.from(envelope)
  rewrapped.set(rewrapKeyBlock(head, from, to))
  return rewrapped
}

/**
 * The part of {@link rewrapEnvelope} that needs keys, for jobs that leave the ciphertext where it is.
 *
 * @param head - the first 82 bytes of an envelope, magic to commitment; that a ciphertext follows is
 *   for the caller to check
 * @returns the first 50 bytes of the envelope under `to`
 * @throws what {@link rewrapEnvelope} throws
 */
export function rewrapKeyBlock(head: Uint8Array, from: DataKey, to: DataKey): Buffer {
  if (from.domain !== to.domain) throw new RangeError('a rewrap stays within one domain')
  const flags = checkPrefix(head)
  refuseReservedFlags(flags)
  if (head.length !== HEAD_BYTES)
    throw new RangeError(`the head of an envelope is ${HEAD_BYTES} bytes`)
  const bytes = asBuffer(head)
  const keyId = readKeyId(bytes)
  if (keyId === to.id) return Buffer.from(bytes.subarray(0, KEY_BLOCK_BYTES))
  if (keyId !== from.id) throw otherKey(keyId, from.id)
  const wrappedDek = bytes.subarray(WRAP_OFFSET, KEY_BLOCK_BYTES)
  const commitment = bytes.subarray(KEY_BLOCK_BYTES)
  const rewrapped = withDek(from, wrappedDek, commitment, (dek) => wrapKey(to.dekWrapKey, dek))
  if (rewrapped === null) throw decryptionFailed(undefined)
  return Buffer.concat([bytes.subarray(0, KEY_ID_OFFSET), to.idBytes, rewrapped])
}

function otherKey(found: string, expected: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_NOT_FOUND',
    `the envelope is sealed under key ${found}, not under ${expected}: rewrap it from that key`,
  )
}
