import { types } from 'node:util'
import type { Bucket } from '../blind-index/bucketing'
import { tokenOf } from '../blind-index/token'
import { parseEnvelope } from '../envelope/format'
import { createKeyRequest } from '../envelope/key-request'
import { createOpener } from '../envelope/open'
import { sealRecords } from '../envelope/seal'
import { MortiseError } from '../errors'
import { defineField, type Field, type FieldIndexOptions } from '../field'
import type { KeyAccess } from '../keys/access'
import { type Keyring, keyAccess } from '../keys/keyring'
import type { FieldType, ValueOf } from './field-type'

/** What {@link createFieldCipher} takes. */
export interface FieldCipherOptions<T extends FieldType> extends FieldIndexOptions {
  /**
   * The field id: a stable name that every value stays bound to, such as `patient.email`. 1 to 255
   * printable ASCII characters without space; values do not open under another one.
   */
  readonly field: string
  /** @defaultValue 'string' */
  readonly type?: T | undefined
}

/** Seals, opens and indexes the values of one field, without any ORM. `null` stays `null`. */
export interface FieldCipher<V> {
  /**
   * Seals one value under a DEK of its own.
   *
   * @returns an envelope of format 1, or null for null
   * @throws ERR_VALUE_INVALID for undefined or a value of another type
   * @throws ERR_VALUE_TOO_LARGE above 64 MiB
   */
  seal(value: V | null): Promise<Buffer | null>
  /**
   * Opens one envelope of this field.
   *
   * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION, ERR_ENVELOPE_FLAGS for other bytes
   * @throws ERR_KEY_NOT_FOUND, ERR_KEY_STATE where its key is unknown or may not open
   * @throws ERR_DECRYPTION_FAILED where anything else is wrong: one error for every cause
   */
  open(envelope: Uint8Array | null): Promise<V | null>
  /** Seals many values, each under a DEK of its own; one look-up of the sealing key. */
  sealMany(values: readonly (V | null)[]): Promise<(Buffer | null)[]>
  /** Opens many envelopes; all keys that are not loaded are fetched with one store query. */
  openMany(envelopes: readonly (Uint8Array | null)[]): Promise<(V | null)[]>
  /**
   * The exact token of a value, to store beside the envelope and to ask for.
   *
   * @returns 1 + ceil(bits / 8) bytes, or null for null
   * @throws ERR_QUERY_UNSUPPORTED without an exact index
   * @throws ERR_INDEX_CHANGED where earlier tokens were made with another declaration
   */
  token(value: V | null): Promise<Buffer | null>
  /**
   * The bucket of a value, to store **in clear** beside the envelope and to ask for.
   *
   * @returns a number, or text for bigint, dates, timestamps and prefixes; null for null
   * @throws ERR_QUERY_UNSUPPORTED without a range index
   * @throws ERR_INDEX_CHANGED where earlier buckets were made with other parameters
   */
  bucket(value: V | null): Promise<Bucket | null>
}

/**
 * Makes a cipher for one field: envelopes, exact tokens and range buckets for any storage.
 *
 * No I/O: keys load with the first call, and so is the index declaration compared with the store.
 *
 * @param keyring - with a store of its own
 * @throws ERR_FIELD_INVALID, ERR_LEAKAGE_NOT_ACCEPTED, ERR_CONFIG for a wrong declaration
 * @see docs/format.md, docs/leakage.md
 */
export function createFieldCipher<T extends FieldType = 'string'>(
  keyring: Keyring,
  options: FieldCipherOptions<T>,
): FieldCipher<ValueOf<T>> {
  const { field: fieldId, type = 'string', ...indexes } = options
  if (typeof fieldId !== 'string') {
    throw new MortiseError(
      'ERR_CONFIG',
      'createFieldCipher needs `field`, the stable name of a field',
    )
  }
  const field = defineField({ ...indexes, name: fieldId, fieldId, type })
  return fieldCipher<ValueOf<T>>(keyAccess(keyring), field)
}

function fieldCipher<V>(access: KeyAccess, field: Field): FieldCipher<V> {
  const declare = onceDone(() => access.declareIndexes([field.declaration]))
  const sealMany = async (values: readonly (V | null)[]): Promise<(Buffer | null)[]> => {
    // Encoded before the first await: what changes later is sealed as it was given.
    const encoded = values.map((value) => (value === null ? null : field.encode(value)))
    if (encoded.every((value) => value === null)) return encoded
    await declare()
    return sealEach(access, field, encoded)
  }
  const openMany = async (envelopes: readonly (Uint8Array | null)[]): Promise<(V | null)[]> =>
    (await openEach(access, field, envelopes)) as (V | null)[]
  return {
    seal: async (value) => (await sealMany([value]))[0]!,
    open: async (envelope) => (await openMany([envelope]))[0]!,
    sealMany,
    openMany,
    token: async (value) => {
      if (field.exact === null) throw missingIndex(field, 'exact: true', 'token')
      if (value === null) return null
      const encoded = field.encodeForToken(value)
      await declare()
      return tokenOf(await access.tokenKey(field.indexName), encoded)
    },
    bucket: async (value) => {
      if (field.bucketing === null) throw missingIndex(field, 'a range', 'bucket')
      if (value === null) return null
      const bucket = field.bucketOf(value)
      await declare()
      return bucket
    },
  }
}

async function sealEach(
  access: KeyAccess,
  field: Field,
  encoded: readonly (Buffer | null)[],
): Promise<(Buffer | null)[]> {
  const context = field.context(access.domain)
  const key = (await access.sealingKeys([null])).get(null)!
  const present = encoded.filter((value) => value !== null)
  const records = present.map((value) => ({ key, values: [{ field: context, encoded: value }] }))
  const sealed = (await sealRecords(records)).values()
  return encoded.map((value) => (value === null ? null : sealed.next().value![0]!))
}

async function openEach(
  access: KeyAccess,
  field: Field,
  envelopes: readonly (Uint8Array | null)[],
): Promise<unknown[]> {
  const context = field.context(access.domain)
  const present = envelopes.filter((envelope) => envelope !== null)
  if (present.length === 0) return [...envelopes]
  const needed = createKeyRequest()
  for (const envelope of present) {
    checkEnvelope(envelope, field)
    needed.add(envelope, context)
  }
  const keys = await access.keysFor(needed.request)
  const opener = createOpener(keys.keyOf)
  return envelopes.map((envelope) => (envelope === null ? null : opener.open(envelope, context)))
}

/** Step 1 of opening, with the field's name, before any key is looked up. */
function checkEnvelope(envelope: Uint8Array, { name }: Field): void {
  if (!types.isUint8Array(envelope)) {
    throw new MortiseError('ERR_ENVELOPE_MALFORMED', `${name}: an envelope is a Uint8Array`, {
      field: name,
    })
  }
  parseEnvelope(envelope, name)
}

/** Runs until it has succeeded once; a failure is forgotten, so that the next call tries again. */
function onceDone(run: () => Promise<void>): () => Promise<void> {
  let pending: Promise<void> | undefined
  return () => {
    pending ??= run().catch((error: unknown) => {
      pending = undefined
      throw error
    })
    return pending
  }
}

function missingIndex(field: Field, declaration: string, call: string): MortiseError {
  return new MortiseError(
    'ERR_QUERY_UNSUPPORTED',
    `${field.name} declares no index for ${call}(); declare ${declaration}`,
    { field: field.name },
  )
}
