import { u8, u16, u32 } from '../bytes'
import { sealAead } from '../crypto/aead'
import { wrapKey } from '../crypto/key-wrap'
import { nativeAddon } from '../crypto/native'
import { fillRandom, randomBytes } from '../crypto/random'
import { KEY_BYTES } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { DataKey, ProviderKey, SealingKey, SubjectKey } from '../keys/access'
import { compress } from './compression'
import { aadOf, boundRowId, type FieldContext } from './field-context'
import {
  MAGIC,
  MAX_CIPHERTEXT_BYTES,
  PADDED,
  PROVIDER_WRAPPED,
  ROW_BOUND,
  SUBJECT_KEY,
} from './format'
import { attempt } from './one-value'
import { deriveRecordKey, type RecordKey, wrapByProvider } from './record-key'
import { type Plaintext, type PreparedRecord, sealPages } from './seal-pages'
import { inSlices } from './slices'
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

/** The values that one statement writes into one row under one key. */
export interface SealRecord {
  readonly key: SealingKey
  readonly values: readonly SealInput[]
}

/**
 * Seals several records, each under one fresh DEK: one key wrap and one HMAC per record, one cipher per
 * field. Records under local keys are sealed natively, a page at a time, where the native path is there;
 * otherwise in slices that let the event loop go on. A provider wraps the DEKs of its records at once.
 *
 * DEKs are drawn in this file only and do not leave it: a DEK that was unwrapped, cached or rewrapped
 * never seals again.
 *
 * @returns the envelopes of each record, in the order of `records` and their values
 * @throws ERR_SEAL_REUSE where two values of a record share an IV, ERR_ROW_UNKNOWN where a row-bound
 *   field has no row id, ERR_VALUE_TOO_LARGE above 64 MiB: all before anything is sealed
 * @throws what the provider throws
 * @see docs/format.md "Sealing"
 */
export async function sealRecords(records: readonly SealRecord[]): Promise<Buffer[][]> {
  const prepared: PreparedRecord<SealingKey>[] = []
  // Compressing is work too.
  await inSlices(records, (record) => {
    prepared.push(prepareRecord(record))
  })
  return sealPrepared(prepared)
}

/**
 * {@link sealRecords} for jobs: a record that cannot be sealed hinders no other.
 *
 * @returns for each record its envelopes, or the error that {@link sealRecords} throws for it
 * @throws what the provider throws
 */
export async function sealEach(
  records: readonly SealRecord[],
): Promise<(Buffer[] | MortiseError)[]> {
  const prepared: (PreparedRecord<SealingKey> | MortiseError)[] = []
  await inSlices(records, (record) => {
    prepared.push(attempt(() => prepareRecord(record)))
  })
  const sound = prepared.flatMap((one) => (one instanceof MortiseError ? [] : [one]))
  const sealed = await sealPrepared(sound)
  const envelopes = sealed.values()
  return prepared.map((one) =>
    one instanceof MortiseError ? one : (envelopes.next().value as Buffer[]),
  )
}

async function sealPrepared(records: readonly PreparedRecord<SealingKey>[]): Promise<Buffer[][]> {
  const local = records.filter((record): record is PreparedRecord => !('wrapDek' in record.key))
  if (local.length < records.length) return Promise.all(records.map(sealOne))
  const native = nativeAddon()
  if (native !== null) return sealPages(native, local, fillRandom)
  const sealed: Buffer[][] = []
  await inSlices(local, ({ key, values }) => {
    sealed.push(sealLocally(key, values))
  })
  return sealed
}

async function sealOne({ key, values }: PreparedRecord<SealingKey>): Promise<Buffer[]> {
  return 'wrapDek' in key ? sealByProvider(key, values) : sealLocally(key, values)
}

/**
 * {@link sealRecords} of one record under a local key, in JavaScript and at once.
 *
 * @param key - the active `data` key of the fields' domain, or the key of the row's subject
 * @throws what {@link sealRecords} throws
 */
export function sealRecord(key: DataKey | SubjectKey, values: readonly SealInput[]): Buffer[] {
  return sealLocally(key, prepareRecord({ key, values }).values)
}

/**
 * {@link sealRecords} of one record, in JavaScript, with a DEK that a provider wraps: one provider call.
 *
 * @throws what {@link sealRecords} throws, before the provider is asked
 */
export async function sealRecordByProvider(
  key: ProviderKey,
  values: readonly SealInput[],
): Promise<Buffer[]> {
  return sealByProvider(key, prepareRecord({ key, values }).values)
}

function sealLocally(key: DataKey | SubjectKey, values: readonly Plaintext[]): Buffer[] {
  if (values.length === 0) return []
  const dek = randomBytes(KEY_BYTES)
  try {
    const keyBlock = Buffer.concat([key.idBytes, wrapKey(key.dekWrapKey, dek)])
    return sealAll(values, keyBlock, deriveRecordKey(dek, key.domain))
  } finally {
    dek.fill(0)
  }
}

/** @throws ERR_KEY_PROVIDER where the provider changed the DEK that it was given */
async function sealByProvider(key: ProviderKey, values: readonly Plaintext[]): Promise<Buffer[]> {
  if (values.length === 0) return []
  const dek = randomBytes(KEY_BYTES)
  try {
    const record = deriveRecordKey(dek, key.domain)
    const wrappedDek = await wrapByProvider(key, dek, record.commitment)
    const keyBlock = Buffer.concat([key.idBytes, u16(wrappedDek.length), wrappedDek])
    return sealAll(values, keyBlock, record)
  } finally {
    dek.fill(0)
  }
}

/** NIST SP 800-38D 8: one IV used twice under one key reveals both plaintexts and the tag key. */
function refuseRepeatedIv(values: readonly SealInput[]): void {
  if (values.length < 2) return
  const seen = new Set<string>()
  for (const { field } of values) {
    if (seen.has(field.ivText)) {
      throw new MortiseError(
        'ERR_SEAL_REUSE',
        `${field.name} occurs twice in one record: seal each value as a record of its own`,
        { field: field.name },
      )
    }
    seen.add(field.ivText)
  }
}

/** All that can be wrong with a record is found here, before any of them is sealed. */
function prepareRecord({ key, values }: SealRecord): PreparedRecord<SealingKey> {
  refuseRepeatedIv(values)
  const kind = 'subjectRef' in key ? SUBJECT_KEY : 'wrapDek' in key ? PROVIDER_WRAPPED : 0
  return { key, values: values.map((value) => preparePlaintext(key.domain, kind, value)) }
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
  const content = field.compressed ? compress(encoded) : encoded
  const bytes = field.pad === null ? content : padded(content, field.pad, field)
  const flags = kind | (field.rowBound ? ROW_BOUND : 0) | (field.pad === null ? 0 : PADDED)
  return { field, flags, bytes, rowId: boundRowId(field, rowId) }
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

/** u32(len T) | T | zeros, up to the smallest multiple of `step` that holds them. */
function padded(content: Uint8Array, step: number, field: FieldContext): Buffer {
  const length = Math.ceil((LENGTH_BYTES + content.length) / step) * step
  checkSize(length, field)
  const bytes = Buffer.alloc(length)
  bytes.set(u32(content.length))
  bytes.set(content, LENGTH_BYTES)
  return bytes
}

/** @param keyBlock - key id and wrapped DEK */
function sealAll(
  values: readonly Plaintext[],
  keyBlock: Buffer,
  { encryptionKey, commitment }: RecordKey,
): Buffer[] {
  return values.map(({ field, flags, bytes, rowId }) => {
    const aad = aadOf(field, (flags & PADDED) !== 0, rowId)
    const [ciphertext, tag] = sealAead(encryptionKey, field.iv, aad, bytes)
    return Buffer.concat([u8(MAGIC), u8(flags), keyBlock, commitment, ciphertext, tag])
  })
}
