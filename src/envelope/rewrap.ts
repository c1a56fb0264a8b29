import { asBuffer, u8, u16 } from '../bytes'
import { wrapKey } from '../crypto/key-wrap'
import { MortiseError } from '../errors'
import type { DataKey, OpeningKey, ProviderDeks, ProviderKey } from '../keys/access'
import {
  checkPrefix,
  type EnvelopeParts,
  HEAD_BYTES,
  KEY_BLOCK_BYTES,
  KEY_ID_OFFSET,
  keyKind,
  MAGIC,
  PROVIDER_WRAPPED,
  parseEnvelope,
  readKeyId,
  WRAP_OFFSET,
} from './format'
import { decryptionFailed } from './open'
import { withDek } from './record-key'

/**
 * Moves an envelope to another key: its DEK is wrapped again, the ciphertext is copied unchanged.
 *
 * One unwrap, one HMAC, one wrap; no value is decrypted and no DEK drawn. What is sealed under a
 * subject key stays: there the subject key itself is what moves.
 *
 * @param from - the key that the envelope names; with b3 the DEKs that its provider unwrapped
 * @param to - a key of the same domain
 * @returns new bytes; equal ones where the envelope is under `to` already
 * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION as opening does
 * @throws ERR_ENVELOPE_FLAGS for an envelope under a subject key
 * @throws ERR_KEY_NOT_FOUND where the envelope names neither key
 * @throws ERR_DECRYPTION_FAILED where the wrapped DEK or the commitment does not hold
 * @see docs/format.md "Rewrap"
 */
export function rewrapEnvelope(
  envelope: Uint8Array,
  from: DataKey | ProviderDeks,
  to: DataKey,
): Buffer {
  const parts = parseEnvelope(envelope)
  if (isUnder(parts, from, to)) return Buffer.from(envelope)
  const wrapped = withDek(from, parts.wrappedDek, parts.commitment, (dek) =>
    wrapKey(to.dekWrapKey, dek),
  )
  if (wrapped === null) throw decryptionFailed(undefined)
  return withKeyBlock(envelope, parts, 0, [to.idBytes, wrapped])
}

/**
 * {@link rewrapEnvelope} to a key whose provider wraps DEKs itself: one provider call.
 *
 * @throws what {@link rewrapEnvelope} throws, and what the provider throws
 */
export async function rewrapEnvelopeByProvider(
  envelope: Uint8Array,
  from: DataKey | ProviderDeks,
  to: ProviderKey,
): Promise<Buffer> {
  const parts = parseEnvelope(envelope)
  if (isUnder(parts, from, to)) return Buffer.from(envelope)
  const copy = Buffer.allocUnsafeSlow(32)
  try {
    if (withDek(from, parts.wrappedDek, parts.commitment, (dek) => dek.copy(copy)) === null) {
      throw decryptionFailed(undefined)
    }
    const wrapped = await to.wrapDek(copy)
    return withKeyBlock(envelope, parts, PROVIDER_WRAPPED, [
      to.idBytes,
      u16(wrapped.length),
      wrapped,
    ])
  } finally {
    copy.fill(0)
  }
}

/**
 * The part of {@link rewrapEnvelope} that needs keys, for jobs that leave the ciphertext where it is.
 *
 * @param head - the first 82 bytes of an envelope, magic to commitment; that a ciphertext follows is
 *   for the caller to check
 * @returns the first 50 bytes of the envelope under `to`
 * @throws what {@link rewrapEnvelope} throws, and ERR_ENVELOPE_FLAGS for a DEK that a provider wrapped
 */
export function rewrapKeyBlock(head: Uint8Array, from: DataKey, to: DataKey): Buffer {
  const flags = checkPrefix(head)
  refuseOtherKind(keyKind(flags) !== 'data')
  if (head.length !== HEAD_BYTES)
    throw new RangeError(`the head of an envelope is ${HEAD_BYTES} bytes`)
  const bytes = asBuffer(head)
  if (isUnder({ flags, head: bytes }, from, to)) {
    return Buffer.from(bytes.subarray(0, KEY_BLOCK_BYTES))
  }
  const wrappedDek = bytes.subarray(WRAP_OFFSET, KEY_BLOCK_BYTES)
  const commitment = bytes.subarray(KEY_BLOCK_BYTES)
  const rewrapped = withDek(from, wrappedDek, commitment, (dek) => wrapKey(to.dekWrapKey, dek))
  if (rewrapped === null) throw decryptionFailed(undefined)
  return Buffer.concat([bytes.subarray(0, KEY_ID_OFFSET), to.idBytes, rewrapped])
}

/** Whether there is nothing to do; refuses an envelope of a third key. */
function isUnder(
  { flags, head }: Pick<EnvelopeParts, 'flags' | 'head'>,
  from: OpeningKey,
  to: DataKey | ProviderKey,
): boolean {
  if (from.domain !== to.domain) throw new RangeError('a rewrap stays within one domain')
  refuseOtherKind(keyKind(flags) === 'subject')
  const keyId = readKeyId(head)
  if (keyId === to.id) return true
  if (keyId !== from.id) throw otherKey(keyId, from.id)
  return false
}

function withKeyBlock(
  envelope: Uint8Array,
  { flags, head, commitment }: EnvelopeParts,
  kind: number,
  keyBlock: readonly Uint8Array[],
): Buffer {
  const rest = asBuffer(envelope).subarray(head.length)
  const kept = flags & ~PROVIDER_WRAPPED
  return Buffer.concat([u8(MAGIC), u8(kept | kind), ...keyBlock, commitment, rest])
}

function refuseOtherKind(other: boolean): void {
  if (!other) return
  throw new MortiseError(
    'ERR_ENVELOPE_FLAGS',
    'the envelope is sealed under a subject key, or its DEK is wrapped by a provider: this rewrap moves neither',
  )
}

function otherKey(found: string, expected: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_NOT_FOUND',
    `the envelope is sealed under key ${found}, not under ${expected}: rewrap it from that key`,
  )
}
