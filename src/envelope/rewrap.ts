import { asBuffer, u8, u16 } from '../bytes'
import { wrapKey } from '../crypto/key-wrap'
import { KEY_BYTES } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { DataKey, KeyKind, ProviderDeks, ProviderKey } from '../keys/access'
import {
  COMMITMENT_BYTES,
  checkPrefix,
  type EnvelopeHead,
  keyKind,
  MAGIC,
  PROVIDER_WRAPPED,
  parseEnvelope,
  parseHead,
  readKeyId,
} from './format'
import { decryptionFailed } from './open'
import { withDek, wrapByProvider } from './record-key'

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
  const { head } = parseEnvelope(envelope)
  return withKeyBlock(envelope, head, rewrapKeyBlock(head, from, to))
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
  const { head } = parseEnvelope(envelope)
  return withKeyBlock(envelope, head, await rewrapKeyBlockByProvider(head, from, to))
}

/**
 * The part of {@link rewrapEnvelope} that needs keys, for jobs that leave the ciphertext where it is.
 *
 * @param head - an envelope's magic to commitment: 82 bytes, with b3 as many as its blob asks for;
 *   that a ciphertext follows is for the caller to check
 * @returns what takes the place of the head without its last 32 bytes: the 50 bytes of the key block
 * @throws what {@link rewrapEnvelope} throws
 */
export function rewrapKeyBlock(
  head: Uint8Array,
  from: DataKey | ProviderDeks,
  to: DataKey,
): Buffer {
  const parts = staleHead(head, from, to)
  if (parts === null) return keyBlockOf(head)
  const wrapped = withDek(from, parts.wrappedDek, parts.commitment, (dek) =>
    wrapKey(to.dekWrapKey, dek),
  )
  if (wrapped === null) throw decryptionFailed(undefined)
  const flags = parts.flags & ~PROVIDER_WRAPPED
  return Buffer.concat([u8(MAGIC), u8(flags), to.idBytes, wrapped])
}

/**
 * {@link rewrapKeyBlock} to a key whose provider wraps DEKs itself: one provider call.
 *
 * @returns 12 bytes and the provider's blob
 * @throws what {@link rewrapEnvelope} throws, and what the provider throws
 */
export async function rewrapKeyBlockByProvider(
  head: Uint8Array,
  from: DataKey | ProviderDeks,
  to: ProviderKey,
): Promise<Buffer> {
  const parts = staleHead(head, from, to)
  if (parts === null) return keyBlockOf(head)
  const copy = Buffer.allocUnsafeSlow(KEY_BYTES)
  try {
    if (withDek(from, parts.wrappedDek, parts.commitment, (dek) => dek.copy(copy)) === null) {
      throw decryptionFailed(undefined)
    }
    const wrapped = await wrapByProvider(to, copy, parts.commitment)
    const flags = parts.flags | PROVIDER_WRAPPED
    return Buffer.concat([u8(MAGIC), u8(flags), to.idBytes, u16(wrapped.length), wrapped])
  } finally {
    copy.fill(0)
  }
}

/** The head to be moved; null where it is under `to` already. Refuses one of a third key. */
function staleHead(
  head: Uint8Array,
  from: DataKey | ProviderDeks,
  to: DataKey | ProviderKey,
): EnvelopeHead | null {
  if (from.domain !== to.domain) throw new RangeError('a rewrap stays within one domain')
  const kind = keyKind(checkPrefix(head))
  const keyId = readKeyId(head)
  if (keyId === to.id && kind === kindOf(to)) return null
  if (kind !== kindOf(from)) throw otherKind()
  if (keyId !== from.id) throw otherKey(keyId, from.id)
  const parts = parseHead(head)
  if (parts.head.length === head.length) return parts
  throw new RangeError('the head of an envelope ends with its commitment')
}

function kindOf(key: DataKey | ProviderDeks | ProviderKey): KeyKind {
  return 'dekWrapKey' in key ? 'data' : 'provider'
}

function keyBlockOf(head: Uint8Array): Buffer {
  return Buffer.from(asBuffer(head).subarray(0, head.length - COMMITMENT_BYTES))
}

function withKeyBlock(envelope: Uint8Array, head: Buffer, keyBlock: Buffer): Buffer {
  const rest = asBuffer(envelope).subarray(head.length - COMMITMENT_BYTES)
  return Buffer.concat([keyBlock, rest])
}

function otherKind(): MortiseError {
  return new MortiseError(
    'ERR_ENVELOPE_FLAGS',
    'the envelope is sealed under a subject key, or under a key of another kind than the one to be moved from: this rewrap does not move it',
  )
}

function otherKey(found: string, expected: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_NOT_FOUND',
    `the envelope is sealed under key ${found}, not under ${expected}: rewrap it from that key`,
  )
}
