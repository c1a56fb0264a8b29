import { u8, u16, u32 } from '../bytes'
import { sealAead } from '../crypto/aead'
import { wrapKey } from '../crypto/key-wrap'
import { randomBytes } from '../crypto/random'
import { KEY_BYTES } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { DataKey, ProviderKey, SealingKey, SubjectKey } from '../keys/access'
import { compress } from './compression'
import { aadOf, type FieldContext } from './field-context'
import {
  MAGIC,
  MAX_CIPHERTEXT_BYTES,
  PADDED,
  PROVIDER_WRAPPED,
  ROW_BOUND,
  SUBJECT_KEY,
} from './format'
import { deriveRecordKey, type RecordKey, wrapByProvider } from './record-key'
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
 * DEKs are drawn in this file only and do not leave it: a DEK that was unwrapped, cached or rewrapped
 * never seals again. One key wrap and one HMAC per record, one cipher per field.
 *
 * @param key - the active `data` key of the fields' domain, or the key of the row's subject
 * @returns the envelopes, in the order of `values`
 * @throws ERR_SEAL_REUSE where two values share an IV, ERR_ROW_UNKNOWN where a row-bound field has no
 *   row id, ERR_VALUE_TOO_LARGE above 64 MiB: all before anything is sealed
 * @see docs/format.md "Sealing"
 */
export function sealRecord(key: DataKey | SubjectKey, values: readonly SealInput[]): Buffer[] {
  const plaintexts = preparePlaintexts(key, values)
  if (plaintexts.length === 0) return []
  const dek = randomBytes(KEY_BYTES)
  try {
    const keyBlock = Buffer.concat([key.idBytes, wrapKey(key.dekWrapKey, dek)])
    return sealAll(plaintexts, keyBlock, deriveRecordKey(dek, key.domain))
  } finally {
    dek.fill(0)
  }
}

/**
 * {@link sealRecord} with a DEK that a provider wraps: one provider call.
 *
 * @throws what {@link sealRecord} throws, before the provider is asked, and what the provider throws
 * @throws ERR_KEY_PROVIDER where the provider changed the DEK that it was given
 */
export async function sealRecordByProvider(
  key: ProviderKey,
  values: readonly SealInput[],
): Promise<Buffer[]> {
  const plaintexts = preparePlaintexts(key, values)
  if (plaintexts.length === 0) return []
  const dek = randomBytes(KEY_BYTES)
  try {
    const record = deriveRecordKey(dek, key.domain)
    const wrappedDek = await wrapByProvider(key, dek, record.commitment)
    const keyBlock = Buffer.concat([key.idBytes, u16(wrappedDek.length), wrappedDek])
    return sealAll(plaintexts, keyBlock, record)
  } finally {
    dek.fill(0)
  }
}

/**
 * Seals several records, each under a DEK of its own. Synchronous work, except that a provider wraps
 * the DEKs of its records at once.
 *
 * @returns the envelopes of each record, in the order of `records`
 */
export async function sealRecords(
  records: readonly { readonly key: SealingKey; readonly values: readonly SealInput[] }[],
): Promise<Buffer[][]> {
  return Promise.all(
    records.map(({ key, values }) =>
      'wrapDek' in key ? sealRecordByProvider(key, values) : sealRecord(key, values),
    ),
  )
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

function preparePlaintexts(key: SealingKey, values: readonly SealInput[]): Plaintext[] {
  refuseRepeatedIv(values)
  const kind = 'subjectRef' in key ? SUBJECT_KEY : 'wrapDek' in key ? PROVIDER_WRAPPED : 0
  return values.map((value) => preparePlaintext(key.domain, kind, value))
}

function preparePlaintext(
  domain: string,
  kind: number,
  { field, encoded, rowId }: SealInput,
): Plaintext {
  if (field.domain !== domain) throw new RangeError(`${field.name} is of another domain`)
  if (encoded[0] !== TYPE_BYTES[field.type])
    throw new RangeError(`${field.name} is of another type`)
  if (field.subject !== (kind === SUBJECT_KEY)) {
    throw new RangeError(`${field.name} is sealed under a key of another kind`)
  }
  checkSize(encoded.length, field)
  const padded = field.pad !== null
  const content = field.compressed ? compress(encoded) : encoded
  const length = field.pad === null ? content.length : paddedLength(content, field.pad)
  checkSize(length, field)
  return {
    flags: kind | (field.rowBound ? ROW_BOUND : 0) | (padded ? PADDED : 0),
    iv: field.iv,
    aad: aadOf(field, padded, rowId),
    bytes: padded ? padTo(length, content) : content,
  }
}

/** Of the value before it is compressed too: what is sealed must be small enough to be opened. */
function checkSize(bytes: number, { name }: FieldContext): void {
  if (bytes <= MAX_CIPHERTEXT_BYTES) return
  throw new MortiseError(
    'ERR_VALUE_TOO_LARGE',
    `${name} is too large to seal: at most ${MAX_CIPHERTEXT_BYTES} bytes with its padding`,
    { field: name },
  )
}

/** The smallest multiple of `step` that holds the length and the content. */
function paddedLength(content: Uint8Array, step: number): number {
  return Math.ceil((LENGTH_BYTES + content.length) / step) * step
}

function padTo(length: number, content: Uint8Array): Buffer {
  const bytes = Buffer.alloc(length)
  bytes.set(u32(content.length))
  bytes.set(content, LENGTH_BYTES)
  return bytes
}

/** @param keyBlock - key id and wrapped DEK */
function sealAll(
  plaintexts: readonly Plaintext[],
  keyBlock: Buffer,
  { encryptionKey, commitment }: RecordKey,
): Buffer[] {
  return plaintexts.map(({ flags, iv, aad, bytes }) => {
    const [ciphertext, tag] = sealAead(encryptionKey, iv, aad, bytes)
    return Buffer.concat([u8(MAGIC), u8(flags), keyBlock, commitment, ciphertext, tag])
  })
}
