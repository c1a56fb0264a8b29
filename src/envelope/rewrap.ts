import { asBuffer, u8, u16 } from '../bytes'
import { wrapKey } from '../crypto/key-wrap'
import { withUnwrappedKeys, wrapKeys } from '../crypto/key-wrap-many'
import { KEY_BYTES } from '../crypto/secret-key'
import { isMortiseError, MortiseError } from '../errors'
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
import { isCommitted, withDek, wrapByProvider } from './record-key'

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
  return keyBlock(parts.flags, to, wrapped)
}

/**
 * {@link rewrapKeyBlock} of many heads that name one key, in a fraction of the time.
 *
 * @returns for each head its key block, or what {@link rewrapKeyBlock} would throw for it
 */
export function rewrapKeyBlocks(
  heads: readonly Uint8Array[],
  from: DataKey,
  to: DataKey,
): (Buffer | MortiseError)[] {
  const read = heads.map((head) => attempt(() => staleHead(head, from, to)))
  const stale = read.filter((one): one is EnvelopeHead => one !== null && !isMortiseError(one))
  const wraps = wrapAgain(stale, from, to)
  return heads.map((head, i) => {
    const parts = read[i]
    if (isMortiseError(parts)) return parts
    if (!parts) return keyBlockOf(head)
    const wrapped = wraps.get(parts)
    return wrapped === undefined ? decryptionFailed(undefined) : keyBlock(parts.flags, to, wrapped)
  })
}

/** Of those whose wrap and commitment hold. */
function wrapAgain(
  stale: readonly EnvelopeHead[],
  from: DataKey,
  to: DataKey,
): ReadonlyMap<EnvelopeHead, Buffer> {
  const wrappedDeks = stale.map(({ wrappedDek }) => wrappedDek)
  return withUnwrappedKeys(from.dekWrapKey, wrappedDeks, (deks) => {
    const sound = stale.flatMap((parts, i): [EnvelopeHead, Buffer][] => {
      const dek = deks[i]
      return dek && isCommitted(dek, from.domain, parts.commitment) ? [[parts, dek]] : []
    })
    const wraps = wrapKeys(
      to.dekWrapKey,
      sound.map(([, dek]) => dek),
    )
    return new Map(sound.map(([parts], i) => [parts, wraps[i] as Buffer]))
  })
}

function attempt<T>(work: () => T): T | MortiseError {
  try {
    return work()
  } catch (error) {
    if (isMortiseError(error)) return error
    throw error
  }
}

function keyBlock(flags: number, to: DataKey, wrapped: Buffer): Buffer {
  return Buffer.concat([u8(MAGIC), u8(flags & ~PROVIDER_WRAPPED), to.idBytes, wrapped])
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
