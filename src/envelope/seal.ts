import { u8, u32 } from '../bytes'
import { sealAead } from '../crypto/aead'
import { wrapKey } from '../crypto/key-wrap'
import { randomBytes } from '../crypto/random'
import { KEY_BYTES } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { DataKey } from '../keys/access'
import { aadOf, type FieldContext } from './field-context'
import { MAGIC, MAX_CIPHERTEXT_BYTES, PADDED, ROW_BOUND } from './format'
import { deriveRecordKey, type RecordKey } from './record-key'
import { TYPE_BYTES } from './value-type'

const LENGTH_BYTES = 4

/** One value of a record, encoded and ready to be sealed. */
export interface SealInput {
  readonly field: FieldContext
  /** T, made by `encodeValue` for the field's type. */
  readonly encoded: Uint8Array
  /** Made by `encodeRowId`. Required where the field is row-bound, without effect elsewhere. */
  readonly rowId?: Uint8Array | undefined
}

/**
 * Seals the fields that one statement writes into one row, under one fresh DEK.
 *
 * The only function that draws a DEK, and the DEK does not leave it: a DEK that was unwrapped, cached
 * or rewrapped never seals again. One key wrap and one HMAC per record, one cipher per field.
 *
 * @param key - the active `data` key of the fields' domain
 * @returns the envelopes, in the order of `values`
 * @throws ERR_SEAL_REUSE where two values share an IV, ERR_ROW_UNKNOWN where a row-bound field has no
 *   row id, ERR_VALUE_TOO_LARGE above 64 MiB: all before anything is sealed
 * @see docs/format.md "Sealing"
 */
export function sealRecord(key: DataKey, values: readonly SealInput[]): Buffer[] {
  refuseRepeatedIv(values)
  const plaintexts = values.map((value) => preparePlaintext(key, value))
  if (plaintexts.length === 0) return []
  const dek = randomBytes(KEY_BYTES)
  try {
    const wrappedDek = wrapKey(key.dekWrapKey, dek)
    const record = deriveRecordKey(dek, key.domain)
    return plaintexts.map((plaintext) => sealOne(key, wrappedDek, record, plaintext))
  } finally {
    dek.fill(0)
  }
}

interface Plaintext {
  readonly flags: number
  readonly iv: Buffer
  readonly aad: Buffer
  readonly bytes: Uint8Array
}

/** NIST SP 800-38D 8: one IV used twice under one key reveals both plaintexts and the tag key. */
function refuseRepeatedIv(values: readonly SealInput[]): void {
  if (values.length < 2) return
  const seen = new Set<string>()
  for (const { field } of values) {
    const iv = field.iv.toString('latin1')
    if (seen.has(iv)) {
      throw new MortiseError(
        'ERR_SEAL_REUSE',
        `${field.name} occurs twice in one record: seal each value as a record of its own`,
        { field: field.name },
      )
    }
    seen.add(iv)
  }
}

function preparePlaintext(key: DataKey, { field, encoded, rowId }: SealInput): Plaintext {
  if (field.domain !== key.domain) throw new RangeError(`${field.name} is of another domain`)
  if (encoded[0] !== TYPE_BYTES[field.type])
    throw new RangeError(`${field.name} is of another type`)
  const padded = field.pad !== null
  const length = field.pad === null ? encoded.length : paddedLength(encoded, field.pad)
  if (length > MAX_CIPHERTEXT_BYTES) {
    throw new MortiseError(
      'ERR_VALUE_TOO_LARGE',
      `${field.name} is too large to seal: at most ${MAX_CIPHERTEXT_BYTES} bytes with its padding`,
      { field: field.name },
    )
  }
  return {
    flags: (field.rowBound ? ROW_BOUND : 0) | (padded ? PADDED : 0),
    iv: field.iv,
    aad: aadOf(field, padded, rowId),
    bytes: padded ? padTo(length, encoded) : encoded,
  }
}

/** The smallest multiple of `step` that holds the length and the value. */
function paddedLength(encoded: Uint8Array, step: number): number {
  return Math.ceil((LENGTH_BYTES + encoded.length) / step) * step
}

function padTo(length: number, encoded: Uint8Array): Buffer {
  const bytes = Buffer.alloc(length)
  bytes.set(u32(encoded.length))
  bytes.set(encoded, LENGTH_BYTES)
  return bytes
}

function sealOne(
  key: DataKey,
  wrappedDek: Buffer,
  { encryptionKey, commitment }: RecordKey,
  { flags, iv, aad, bytes }: Plaintext,
): Buffer {
  const [ciphertext, tag] = sealAead(encryptionKey, iv, aad, bytes)
  return Buffer.concat([u8(MAGIC), u8(flags), key.idBytes, wrappedDek, commitment, ciphertext, tag])
}
