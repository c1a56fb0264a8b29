import { asBuffer } from '../bytes'
import { openAead, TAG_BYTES } from '../crypto/aead'
import { equalConstantTime } from '../crypto/hash'
import type { SecretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { KeyKind, OpeningKey } from '../keys/access'
import { decodeValue } from './codec'
import { decompress } from './compression'
import { aadOf, type FieldContext } from './field-context'
import {
  checkPrefix,
  envelopeLayout,
  type HeadLayout,
  KEY_ID_OFFSET,
  keyKind,
  PADDED,
  ROW_BOUND,
  readKeyId,
  SUBJECT_KEY,
} from './format'
import { withDek } from './record-key'

/**
 * How many records an opener keeps unlocked. Fields of one row follow each other, and belong to as many
 * records as statements wrote them; a longer memory would keep alive what a page is long done with.
 */
const MAX_RECORDS = 8

/** Opens the envelopes of one page of rows. */
export interface Opener {
  /**
   * Opens one envelope: synchronous, no I/O.
   *
   * @param rowId - made by `encodeRowId`. Required where the field is row-bound, without effect
   *   elsewhere
   * @param subjectRef - of the row's subject property. Required where the field has a subject
   * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION, ERR_ENVELOPE_FLAGS for an envelope that is
   *   not one of this field
   * @throws ERR_ROW_UNKNOWN where the field is row-bound and no row id is given, or has a subject
   *   and no subject_ref is given
   * @throws ERR_KEY_NOT_FOUND where the key is of another domain, and whatever `keyOf` throws
   * @throws ERR_DECRYPTION_FAILED for every other cause, without telling which
   */
  open(
    envelope: Uint8Array,
    field: FieldContext,
    rowId?: Uint8Array,
    subjectRef?: Uint8Array,
  ): unknown
  /**
   * {@link Opener.open} for a value that is sealed again: it must be one that its field can hold.
   *
   * @returns T, as `encodeValue` writes it
   */
  openEncoded(...envelope: Parameters<Opener['open']>): Uint8Array
  /**
   * Everything that {@link Opener.open} does without the ciphertext: unwraps the DEK and verifies the
   * commitment.
   *
   * @param envelope - may end 17 bytes behind its commitment, where the shortest ciphertext ends
   * @throws what {@link Opener.open} throws
   */
  unlock(envelope: Uint8Array, field: FieldContext, subjectRef?: Uint8Array): void
}

/** Gives a key that may open by its id, or throws. */
export type KeyLookup = (keyId: string, kind: KeyKind) => OpeningKey

/** A record whose DEK was unwrapped and whose commitment was verified. */
interface OpenRecord {
  /** Magic to commitment of the envelope that it was unlocked for. */
  readonly head: Buffer
  readonly kind: KeyKind
  readonly domain: string
  readonly subjectRef: Buffer | null
  readonly encryptionKey: SecretKey
}

/**
 * Makes an opener that unlocks the record of a row's fields once: envelopes with equal key id, wrapped
 * DEK and commitment share one unwrap and one HMAC. Keep it for one page, not longer: what it holds
 * survives a key's revocation.
 *
 * @param keyOf - gives the page's keys: active or decrypt-only, with provider-wrapped DEKs unwrapped
 * @see docs/format.md "Opening"
 */
export function createOpener(keyOf: KeyLookup): Opener {
  const records: OpenRecord[] = []
  let next = 0

  function recordOf(bytes: Buffer, layout: HeadLayout, field: FieldContext): OpenRecord {
    const kind = keyKind(layout.flags)
    for (const known of records) {
      if (known.kind === kind && sameKeyBlock(known.head, bytes, layout)) return known
    }
    const record = unlockRecord(keyOf, bytes, layout, field)
    records[next++ % MAX_RECORDS] = record
    return record
  }

  const openWith = (...given: Parameters<Opener['open']>) => openValue(recordOf, ...given)
  return {
    open: (...given) => openWith(...given).value,
    openEncoded: (...given) => openWith(...given).encoded,
    unlock(envelope, field, subjectRef) {
      const bytes = asBuffer(envelope)
      const record = unlocked(recordOf, bytes, expectedLayout(bytes, field), field, subjectRef)
      if (!sameSubject(record.subjectRef, subjectRef)) throw decryptionFailed(field.name)
    },
  }
}

type RecordOf = (bytes: Buffer, layout: HeadLayout, field: FieldContext) => OpenRecord

/** Steps 1 and 2. */
function expectedLayout(bytes: Buffer, field: FieldContext): HeadLayout {
  const layout = envelopeLayout(bytes, field.name)
  checkFlags(layout.flags, field)
  return layout
}

/** Steps 3 to 5. */
function unlocked(
  recordOf: RecordOf,
  bytes: Buffer,
  layout: HeadLayout,
  field: FieldContext,
  subjectRef: Uint8Array | undefined,
): OpenRecord {
  if (field.subject && subjectRef === undefined) throw subjectUnknown(field)
  const record = recordOf(bytes, layout, field)
  checkDomain(record.domain, bytes, field)
  return record
}

/** What a plaintext holds. */
export interface Content {
  /** T. */
  readonly encoded: Uint8Array
  readonly value: unknown
}

/**
 * Steps 7 and 8: what a plaintext holds whose tag was checked.
 *
 * @param padded - b1 of the envelope
 * @returns null where it is not the canonical form of a value of the field's type
 */
export function contentOf(field: FieldContext, padded: boolean, plaintext: Buffer): Content | null {
  const content = padded ? withoutPadding(plaintext) : plaintext
  const encoded = content === null ? null : encodedIn(field, content)
  const value = encoded === null ? undefined : decodeValue(field.type, encoded)
  return encoded === null || value === undefined ? null : { encoded, value }
}

function openValue(
  recordOf: RecordOf,
  envelope: Uint8Array,
  field: FieldContext,
  rowId?: Uint8Array,
  subjectRef?: Uint8Array,
): Content {
  const bytes = asBuffer(envelope)
  const layout = expectedLayout(bytes, field)
  const padded = (layout.flags & PADDED) !== 0
  const aad = aadOf(field, padded, rowId)
  const record = unlocked(recordOf, bytes, layout, field, subjectRef)
  const tagStart = bytes.length - TAG_BYTES
  const ciphertext = bytes.subarray(layout.end, tagStart)
  const tag = bytes.subarray(tagStart)
  const plaintext = openAead(record.encryptionKey, field.iv, aad, ciphertext, tag)
  const content = plaintext === null ? null : contentOf(field, padded, plaintext)
  if (content !== null && sameSubject(record.subjectRef, subjectRef)) return content
  throw decryptionFailed(field.name)
}

/**
 * The key that an envelope, or its first bytes, names. Nothing is authenticated.
 *
 * @param field - `Entity.property`, for the error
 * @returns 16 hex digits and what they name
 * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION for bytes that do not begin an envelope
 */
export function keyNameOf(
  envelope: Uint8Array,
  field?: string,
): { readonly id: string; readonly kind: KeyKind } {
  const kind = keyKind(checkPrefix(envelope, field))
  return { id: readKeyId(envelope), kind }
}

/** The one error for every cause from the unwrap of the DEK on; no cause, no detail. */
export function decryptionFailed(field: string | undefined): MortiseError {
  return new MortiseError(
    'ERR_DECRYPTION_FAILED',
    `${field ?? 'the envelope'} could not be opened: it was changed, moved from another field or ` +
      'row, or sealed under another key',
    { field },
  )
}

/**
 * Step 2: flags are expected, not obeyed.
 *
 * @throws ERR_ENVELOPE_FLAGS
 */
export function checkFlags(flags: number, field: FieldContext): void {
  checkFlag(flags & ROW_BOUND, field.rowBound, 'bound to its row', field)
  checkFlag(flags & SUBJECT_KEY, field.subject, 'sealed under the key of a subject', field)
}

function checkFlag(flag: number, declared: boolean, what: string, { name }: FieldContext): void {
  if ((flag !== 0) === declared) return
  const [is, stored] = declared ? ['', 'not '] : ['not ', '']
  throw new MortiseError(
    'ERR_ENVELOPE_FLAGS',
    `${name} is declared as ${is}${what}, but the envelope is ${stored}so`,
    { field: name },
  )
}

export function subjectUnknown({ name }: FieldContext): MortiseError {
  return new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${name} is sealed under the key of its subject: the row's subject must be given`,
    { field: name },
  )
}

/** Step 9: the key of one subject opens nothing in the row of another. */
export function sameSubject(expected: Buffer | null, given: Uint8Array | undefined): boolean {
  return expected === null || (given !== undefined && equalConstantTime(expected, given))
}

/** Step 3; checked also for a remembered record, which may have been unlocked for another field. */
export function checkDomain(domain: string, envelope: Uint8Array, field: FieldContext): void {
  if (domain === field.domain) return
  throw new MortiseError(
    'ERR_KEY_NOT_FOUND',
    `${field.name} is sealed under key ${readKeyId(envelope)}, which is not of its domain`,
    { field: field.name },
  )
}

/** Steps 3 to 5. */
function unlockRecord(
  keyOf: KeyLookup,
  bytes: Buffer,
  { flags, wrapStart, wrapEnd, end }: HeadLayout,
  field: FieldContext,
): OpenRecord {
  const kind = keyKind(flags)
  const key = keyOf(readKeyId(bytes), kind)
  checkDomain(key.domain, bytes, field)
  const wrappedDek = bytes.subarray(wrapStart, wrapEnd)
  const commitment = bytes.subarray(wrapEnd, end)
  const encryptionKey = withDek(key, wrappedDek, commitment, (_dek, record) => record())
  if (encryptionKey === null) throw decryptionFailed(field.name)
  const subjectRef = 'subjectRef' in key ? key.subjectRef : null
  const head = Buffer.from(bytes.subarray(0, end))
  return { head, kind, domain: key.domain, subjectRef, encryptionKey }
}

/** Compares key id, wrapped DEK and commitment; heads of different lengths differ. */
function sameKeyBlock(head: Buffer, bytes: Buffer, { end }: HeadLayout): boolean {
  // The last byte of the commitment tells nearly all records apart before the call.
  if (head[end - 1] !== bytes[end - 1]) return false
  return head.compare(bytes, KEY_ID_OFFSET, end, KEY_ID_OFFSET) === 0
}

/** Step 8 up to T; inflating is bounded. */
function encodedIn({ type, compressed }: FieldContext, content: Buffer): Uint8Array | null {
  return compressed ? decompress(type, content) : content
}

/** Step 7: u32(len T) | T | zeros. */
function withoutPadding(plaintext: Buffer): Buffer | null {
  const end = plaintext.length < 4 ? 0 : 4 + plaintext.readUInt32BE()
  if (end < 4 || end > plaintext.length) return null
  return plaintext.subarray(end).every((byte) => byte === 0) ? plaintext.subarray(4, end) : null
}
