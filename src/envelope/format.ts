import { asBuffer, decodeBase64Url } from '../bytes'
import { TAG_BYTES } from '../crypto/aead'
import { WRAPPED_KEY_BYTES } from '../crypto/key-wrap'
import { MortiseError } from '../errors'
import type { KeyKind } from '../keys/access'

// Every constant here is part of stored format 1: none can change without a new version.

/** Magic nibble E, format version 1. */
export const MAGIC = 0xe1
/** b0: the row id is part of the AAD. */
export const ROW_BOUND = 0x01
/** b1: the plaintext is length-prefixed and padded with zeros. */
export const PADDED = 0x02
/** b2: the key id names a subject key. */
export const SUBJECT_KEY = 0x04
/** b3: the DEK is wrapped by the provider of the key that the key id names. */
export const PROVIDER_WRAPPED = 0x08

const KNOWN_FLAGS = ROW_BOUND | PADDED | SUBJECT_KEY | PROVIDER_WRAPPED
const KIND_FLAGS = SUBJECT_KEY | PROVIDER_WRAPPED
/** The magic ends here. */
export const FLAGS_OFFSET = 1
/** Magic and flags end here. */
export const KEY_ID_OFFSET = 2
/** The key id ends here; a provider's wrap begins with its length. */
export const WRAP_OFFSET = 10
/** Longest DEK that a provider wrapped. */
export const MAX_PROVIDER_WRAP_BYTES = 1024
/** Length of the commitment: collision resistance of 128 bits, as the key's strength asks. */
export const COMMITMENT_BYTES = 32
/** Magic, flags, key id and a locally wrapped DEK: all that a rewrap among local keys writes. */
export const KEY_BLOCK_BYTES: number = WRAP_OFFSET + WRAPPED_KEY_BYTES
/** The key block and the commitment: all that a rewrap among local keys reads. */
export const HEAD_BYTES: number = KEY_BLOCK_BYTES + COMMITMENT_BYTES
/** What an envelope under a local key has beside its ciphertext. */
export const OVERHEAD_BYTES: number = HEAD_BYTES + TAG_BYTES
/** Longest ciphertext, padding included: 64 MiB. Checked when sealing and when opening. */
export const MAX_CIPHERTEXT_BYTES: number = 64 * 1024 * 1024

const MAX_ENVELOPE_BYTES =
  WRAP_OFFSET + 2 + MAX_PROVIDER_WRAP_BYTES + COMMITMENT_BYTES + MAX_CIPHERTEXT_BYTES + TAG_BYTES

const TEXT_PREFIX = 'mrt1.'
const OTHER_TEXT_VERSION = /^mrt[0-9]+\./

/** Magic to commitment, taken apart: views of its bytes, nothing authenticated yet. */
export interface EnvelopeHead {
  readonly flags: number
  /** Magic to commitment. */
  readonly head: Buffer
  /** 40 bytes, or a provider's 1 to 1024. */
  readonly wrappedDek: Buffer
  readonly commitment: Buffer
}

/** An envelope taken apart: views of its bytes, nothing authenticated yet. */
export interface EnvelopeParts extends EnvelopeHead {
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

/** Where the parts of a head are, in bytes from its beginning. */
export interface HeadLayout {
  readonly flags: number
  readonly wrapStart: number
  /** Here the wrapped DEK ends and the commitment begins. */
  readonly wrapEnd: number
  readonly end: number
}

/**
 * Step 1 of opening, strictly, up to the commitment.
 *
 * @param bytes - an envelope, or its first bytes up to the commitment
 * @param field - `Entity.property`, for the error
 * @throws what {@link parseEnvelope} throws
 */
function headLayout(bytes: Buffer, field?: string): HeadLayout {
  const flags = checkPrefix(bytes, field)
  const byProvider = (flags & PROVIDER_WRAPPED) !== 0
  const wrapStart = byProvider ? WRAP_OFFSET + 2 : WRAP_OFFSET
  const wrapEnd = wrapStart + (byProvider ? providerWrapBytes(bytes, field) : WRAPPED_KEY_BYTES)
  const end = wrapEnd + COMMITMENT_BYTES
  if (bytes.length < end) throw malformed(field, 'its length is impossible')
  return { flags, wrapStart, wrapEnd, end }
}

/**
 * Step 1 of opening as a whole: {@link headLayout}, and that a ciphertext and a tag follow.
 *
 * @throws what {@link parseEnvelope} throws
 */
export function envelopeLayout(bytes: Buffer, field?: string): HeadLayout {
  const layout = headLayout(bytes, field)
  const length = bytes.length - TAG_BYTES - layout.end
  if (length >= 1 && length <= MAX_CIPHERTEXT_BYTES) return layout
  throw malformed(field, 'its length is impossible')
}

/**
 * Takes an envelope apart, strictly: step 1 of opening. Copies nothing.
 *
 * @param field - `Entity.property`, for the error
 * @throws ERR_ENVELOPE_VERSION for a format that this release does not know
 * @throws ERR_ENVELOPE_MALFORMED for anything else that format 1 cannot be
 * @see docs/format.md "Envelope"
 */
export function parseEnvelope(envelope: Uint8Array, field?: string): EnvelopeParts {
  const bytes = asBuffer(envelope)
  const layout = envelopeLayout(bytes, field)
  return {
    ...headParts(bytes, layout),
    ciphertext: bytes.subarray(layout.end, bytes.length - TAG_BYTES),
    tag: bytes.subarray(bytes.length - TAG_BYTES),
  }
}

/**
 * The part of {@link parseEnvelope} that needs no ciphertext, for jobs that leave it where it is.
 *
 * @param envelope - an envelope, or its first bytes up to the commitment
 */
export function parseHead(envelope: Uint8Array, field?: string): EnvelopeHead {
  const bytes = asBuffer(envelope)
  return headParts(bytes, headLayout(bytes, field))
}

function headParts(bytes: Buffer, { flags, wrapStart, wrapEnd, end }: HeadLayout): EnvelopeHead {
  return {
    flags,
    head: bytes.subarray(0, end),
    wrappedDek: bytes.subarray(wrapStart, wrapEnd),
    commitment: bytes.subarray(wrapEnd, end),
  }
}

/**
 * Magic, version and flags of an envelope or of its first bytes, and that a key id follows.
 *
 * @returns the flags
 * @throws ERR_ENVELOPE_VERSION for a format that this release does not know
 * @throws ERR_ENVELOPE_MALFORMED for anything else that format 1 cannot be
 */
export function checkPrefix(bytes: Uint8Array, field?: string): number {
  // Not destructured: an iterator for each value is what a page would notice.
  const magic = bytes[0] ?? 0
  const flags = bytes[1] ?? 0
  if (magic >> 4 !== MAGIC >> 4) throw malformed(field, 'it does not begin with the envelope mark')
  if (magic !== MAGIC) throw unknownVersion(field)
  if ((flags & ~KNOWN_FLAGS) !== 0)
    throw malformed(field, 'it has flags that format 1 does not know')
  if ((flags & KIND_FLAGS) === KIND_FLAGS) {
    throw malformed(field, 'its flags name both a subject key and a provider')
  }
  if (bytes.length < WRAP_OFFSET) throw malformed(field, 'its length is impossible')
  return flags
}

/** What the key id of an envelope with these flags names. */
export function keyKind(flags: number): KeyKind {
  if ((flags & SUBJECT_KEY) !== 0) return 'subject'
  return (flags & PROVIDER_WRAPPED) === 0 ? 'data' : 'provider'
}

/** The key id of a checked envelope or prefix, as 16 hex digits. */
export function readKeyId(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex', KEY_ID_OFFSET, WRAP_OFFSET)
}

/** The form of an envelope for text columns: `mrt1.` and base64url without padding. */
export function toText(envelope: Uint8Array): string {
  return TEXT_PREFIX + asBuffer(envelope).toString('base64url')
}

/**
 * Inverse of {@link toText}; accepts its one spelling only.
 *
 * @param field - `Entity.property`, for the error
 * @throws ERR_ENVELOPE_VERSION for the text form of another format version
 * @throws ERR_ENVELOPE_MALFORMED for any other text
 */
export function fromText(text: string, field?: string): Buffer {
  if (!text.startsWith(TEXT_PREFIX)) {
    if (OTHER_TEXT_VERSION.test(text)) throw unknownVersion(field)
    throw malformed(field, `it does not begin with "${TEXT_PREFIX}"`)
  }
  const encoded = text.slice(TEXT_PREFIX.length)
  const bytes = encoded.length * 0.75 > MAX_ENVELOPE_BYTES ? null : decodeBase64Url(encoded)
  if (bytes === null) throw malformed(field, 'it is not canonical base64url of a possible length')
  return bytes
}

function providerWrapBytes(bytes: Buffer, field: string | undefined): number {
  const length = bytes.length < WRAP_OFFSET + 2 ? 0 : bytes.readUInt16BE(WRAP_OFFSET)
  if (length < 1 || length > MAX_PROVIDER_WRAP_BYTES) {
    throw malformed(field, 'its wrapped DEK has an impossible length')
  }
  return length
}

function malformed(field: string | undefined, reason: string): MortiseError {
  return new MortiseError(
    'ERR_ENVELOPE_MALFORMED',
    `${field ?? 'the value'} does not hold an envelope: ${reason}`,
    { field },
  )
}

function unknownVersion(field: string | undefined): MortiseError {
  return new MortiseError(
    'ERR_ENVELOPE_VERSION',
    `${field ?? 'the value'} holds an envelope of another format version: ` +
      'open it with a release that knows that version',
    { field },
  )
}
