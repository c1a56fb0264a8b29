import { openAead } from '../crypto/aead'
import type { SecretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { DataKey } from '../keys/access'
import { decodeValue } from './codec'
import { aadOf, type FieldContext } from './field-context'
import {
  checkPrefix,
  type EnvelopeParts,
  KEY_ID_OFFSET,
  PADDED,
  parseEnvelope,
  ROW_BOUND,
  readKeyId,
  refuseReservedFlags,
} from './format'
import { withDek } from './record-key'

/**
 * How many records an opener keeps unlocked. Fields of one row follow each other, so few are needed;
 * the bound is what a page read column by column may cost in memory (about half a kilobyte each).
 */
const MAX_RECORDS = 4096

/** Opens the envelopes of one page of rows. */
export interface Opener {
  /**
   * Opens one envelope: synchronous, no I/O.
   *
   * @param rowId - made by `encodeRowId`. Required where the field is row-bound, without effect
   *   elsewhere
   * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION, ERR_ENVELOPE_FLAGS for an envelope that is
   *   not one of this field
   * @throws ERR_ROW_UNKNOWN where the field is row-bound and no row id is given
   * @throws ERR_KEY_NOT_FOUND where the key is of another domain, and whatever `keyOf` throws
   * @throws ERR_DECRYPTION_FAILED for every other cause, without telling which
   */
  open(envelope: Uint8Array, field: FieldContext, rowId?: Uint8Array): unknown
}

/** A record whose DEK was unwrapped and whose commitment was verified. */
interface OpenRecord {
  readonly head: Buffer
  readonly domain: string
  readonly encryptionKey: SecretKey
}

/**
 * Makes an opener that unlocks each record once: envelopes with equal key id, wrapped DEK and
 * commitment share one unwrap and one HMAC. Keep it for one page, not longer: what it holds survives
 * a key's revocation.
 *
 * @param keyOf - gives a `data` key that may open (active or decrypt-only) by its id, or throws
 * @see docs/format.md "Opening"
 */
export function createOpener(keyOf: (keyId: string) => DataKey): Opener {
  const records = new Map<string, OpenRecord>()
  let last: OpenRecord | undefined

  function recordOf(parts: EnvelopeParts, field: FieldContext): OpenRecord {
    if (last !== undefined && sameKeyBlock(last.head, parts.head)) return last
    const block = parts.head.toString('latin1', KEY_ID_OFFSET)
    const record = records.get(block) ?? unlockRecord(keyOf, parts, field)
    if (records.size >= MAX_RECORDS) records.clear()
    records.set(block, record)
    last = record
    return record
  }

  return {
    open(envelope, field, rowId) {
      const parts = parseEnvelope(envelope, field.name)
      checkFlags(parts.flags, field)
      const padded = (parts.flags & PADDED) !== 0
      const aad = aadOf(field, padded, rowId)
      const record = recordOf(parts, field)
      checkDomain(record.domain, parts, field)
      const plaintext = openAead(record.encryptionKey, field.iv, aad, parts.ciphertext, parts.tag)
      const encoded = plaintext !== null && padded ? withoutPadding(plaintext) : plaintext
      const value = encoded === null ? undefined : decodeValue(field.type, encoded)
      if (value === undefined) throw decryptionFailed(field.name)
      return value
    },
  }
}

/**
 * The key id of an envelope, to collect the keys of a page before opening it.
 *
 * Refuses what no key lookup should be made for; everything else is checked when opening.
 *
 * @param field - `Entity.property`, for the error
 * @returns 16 hex digits
 * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION for bytes that do not begin an envelope
 * @throws ERR_ENVELOPE_FLAGS for a subject key or a provider-wrapped DEK
 */
export function keyIdOf(envelope: Uint8Array, field?: string): string {
  refuseReservedFlags(checkPrefix(envelope, field), field)
  return readKeyId(envelope)
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

/** Step 2: flags are expected, not obeyed. */
function checkFlags(flags: number, field: FieldContext): void {
  refuseReservedFlags(flags, field.name)
  if (((flags & ROW_BOUND) !== 0) === field.rowBound) return
  const [stored, declared] = field.rowBound ? ['not bound', 'bound'] : ['bound', 'not bound']
  throw new MortiseError(
    'ERR_ENVELOPE_FLAGS',
    `${field.name} is declared as ${declared} to its row, but the envelope is ${stored} to one`,
    { field: field.name },
  )
}

/** Step 3; checked also for a remembered record, which may have been unlocked for another field. */
function checkDomain(domain: string, parts: EnvelopeParts, field: FieldContext): void {
  if (domain === field.domain) return
  throw new MortiseError(
    'ERR_KEY_NOT_FOUND',
    `${field.name} is sealed under key ${readKeyId(parts.head)}, which is not of its domain`,
    { field: field.name },
  )
}

/** Steps 3 to 5. */
function unlockRecord(
  keyOf: (keyId: string) => DataKey,
  parts: EnvelopeParts,
  field: FieldContext,
): OpenRecord {
  const key = keyOf(readKeyId(parts.head))
  checkDomain(key.domain, parts, field)
  const encryptionKey = withDek(key, parts.wrappedDek, parts.commitment, (_dek, record) => record)
  if (encryptionKey === null) throw decryptionFailed(field.name)
  return { head: Buffer.from(parts.head), domain: key.domain, encryptionKey }
}

/** Compares key id, wrapped DEK and commitment; both heads are 82 bytes, since b3 is refused. */
function sameKeyBlock(a: Buffer, b: Buffer): boolean {
  return a.compare(b, KEY_ID_OFFSET, b.length, KEY_ID_OFFSET) === 0
}

/** Step 7: u32(len T) | T | zeros. */
function withoutPadding(plaintext: Buffer): Buffer | null {
  const end = plaintext.length < 4 ? 0 : 4 + plaintext.readUInt32BE()
  if (end < 4 || end > plaintext.length) return null
  return plaintext.subarray(end).every((byte) => byte === 0) ? plaintext.subarray(4, end) : null
}
