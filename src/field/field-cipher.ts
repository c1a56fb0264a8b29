import type { Bucket } from '../blind-index/bucketing'
import { tokenOf } from '../blind-index/token'
import { MortiseError } from '../errors'
import { defineField, type Field, type FieldIndexOptions } from '../field'
import type { KeyAccess } from '../keys/access'
import { type Keyring, keyAccess } from '../keys/keyring'
import { subjectId } from '../keys/subject-id'
import type { FieldIndexCipher } from './field-index-cipher'
import type { FieldType, ValueOf } from './field-type'
import {
  openValues,
  type ShreddedValues,
  sealValues,
  type ValueToOpen,
  type ValueToSeal,
} from './sealed-values'
import type { OfSubject, SubjectFieldCipher } from './subject-cipher'

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

/** What {@link createFieldCipher} takes for values that belong to subjects. */
export interface SubjectFieldCipherOptions<T extends FieldType> extends FieldCipherOptions<T> {
  /** Seals each value under the key of the subject that is named with it. */
  readonly subject: true
  /**
   * What a value reads as whose subject was shredded: an error, or `null`.
   *
   * @defaultValue 'throw'
   */
  readonly shredded?: ShreddedValues | undefined
}

/** Seals, opens and indexes the values of one field, without any ORM. `null` stays `null`. */
export interface FieldCipher<V> extends FieldIndexCipher<V> {
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
   * @param envelope - bytes, or the text form of a text column, which begins with `mrt1.`
   * @throws ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION, ERR_ENVELOPE_FLAGS for other bytes
   * @throws ERR_KEY_NOT_FOUND, ERR_KEY_STATE where its key is unknown or may not open
   * @throws ERR_DECRYPTION_FAILED where anything else is wrong: one error for every cause
   */
  open(envelope: Uint8Array | string | null): Promise<V | null>
  /** Seals many values, each under a DEK of its own; one look-up of the sealing key. */
  sealMany(values: readonly (V | null)[]): Promise<(Buffer | null)[]>
  /** Opens many envelopes; all keys that are not loaded are fetched with one store query. */
  openMany(envelopes: readonly (Uint8Array | string | null)[]): Promise<(V | null)[]>
}

/**
 * Makes a cipher for one field: envelopes, exact tokens and range buckets for any storage.
 *
 * No I/O: keys load with the first call, and so is the index declaration compared with the store.
 *
 * @param keyring - with a store of its own
 * @returns with `subject: true` a cipher whose calls name the subject of each value
 * @throws ERR_FIELD_INVALID, ERR_LEAKAGE_NOT_ACCEPTED, ERR_CONFIG for a wrong declaration, such as
 * subjects on a keyring whose provider wraps DEKs
 * @see docs/format.md, docs/leakage.md
 */
export function createFieldCipher<T extends FieldType = 'string'>(
  keyring: Keyring,
  options: SubjectFieldCipherOptions<T>,
): SubjectFieldCipher<ValueOf<T>>
export function createFieldCipher<T extends FieldType = 'string'>(
  keyring: Keyring,
  options: FieldCipherOptions<T>,
): FieldCipher<ValueOf<T>>
export function createFieldCipher<T extends FieldType>(
  keyring: Keyring,
  options: FieldCipherOptions<T> & Partial<SubjectFieldCipherOptions<T>>,
): FieldCipher<ValueOf<T>> | SubjectFieldCipher<ValueOf<T>> {
  const { field: fieldId, type = 'string', shredded = 'throw', ...declaration } = options
  if (typeof fieldId !== 'string') {
    throw new MortiseError(
      'ERR_CONFIG',
      'createFieldCipher needs `field`, the stable name of a field',
    )
  }
  if (shredded !== 'throw' && shredded !== 'null') {
    throw new MortiseError('ERR_CONFIG', `${fieldId}: shredded must be 'throw' or 'null'`, {
      field: fieldId,
    })
  }
  const access = keyAccess(keyring)
  const field = defineField({ ...declaration, name: fieldId, fieldId, type })
  if (!declaration.subject) return plainCipher<ValueOf<T>>(access, field)
  if (access.wrapping === 'provider') throw noSubjectKeys(fieldId)
  return subjectCipher<ValueOf<T>>(access, field, shredded)
}

function plainCipher<V>(access: KeyAccess, field: Field): FieldCipher<V> {
  const { sealMany, openMany, ...indexes } = cipherOf<V>(access, field, 'throw')
  return {
    ...indexes,
    seal: async (value) => (await sealMany([encoded(field, value, null)]))[0]!,
    open: async (envelope) => (await openMany([{ envelope, subject: null }]))[0]!,
    // Encoded before the first await: what changes later is sealed as it was given.
    sealMany: async (values) => sealMany(values.map((value) => encoded(field, value, null))),
    openMany: async (envelopes) =>
      openMany(envelopes.map((envelope) => ({ envelope, subject: null }))),
  }
}

function subjectCipher<V>(
  access: KeyAccess,
  field: Field,
  shredded: ShreddedValues,
): SubjectFieldCipher<V> {
  const { sealMany, openMany, ...indexes } = cipherOf<V>(access, field, shredded)
  const what = `the subject of ${field.name}`
  // A value that is null belongs to nobody, and needs no key.
  const toSeal = (value: V | null, of: OfSubject): ValueToSeal =>
    encoded(field, value, value === null ? null : subjectId(of?.subject, what))
  const toOpen = (envelope: Uint8Array | string | null, of: OfSubject): ValueToOpen => ({
    envelope,
    subject: envelope === null ? null : subjectId(of?.subject, what),
  })
  return {
    ...indexes,
    seal: async (value, of) => (await sealMany([toSeal(value, of)]))[0]!,
    open: async (envelope, of) => (await openMany([toOpen(envelope, of)]))[0]!,
    sealMany: async (values) => sealMany(values.map((one) => toSeal(one.value, one))),
    openMany: async (values) => openMany(values.map((one) => toOpen(one.envelope, one))),
  }
}

function encoded(field: Field, value: unknown, subject: string | null): ValueToSeal {
  return { encoded: value === null ? null : field.encode(value), subject }
}

/** What both ciphers do, once values are encoded and subjects canonical. */
function cipherOf<V>(access: KeyAccess, field: Field, shredded: ShreddedValues) {
  const declare = onceDone(() => access.declareIndexes([field.declaration]))
  return {
    sealMany: async (values: readonly ValueToSeal[]): Promise<(Buffer | null)[]> => {
      if (values.every((value) => value.encoded === null)) return values.map(() => null)
      await declare()
      return sealValues(access, field, values)
    },
    openMany: async (values: readonly ValueToOpen[]): Promise<(V | null)[]> =>
      (await openValues(access, field, values, shredded)) as (V | null)[],
    token: async (value: V | null): Promise<Buffer | null> => {
      if (field.exact === null) throw missingIndex(field, 'exact: true', 'token')
      if (value === null) return null
      const bytes = field.encodeForToken(value)
      await declare()
      return tokenOf(await access.tokenKey(field.indexName), bytes)
    },
    bucket: async (value: V | null): Promise<Bucket | null> => {
      if (field.bucketing === null) throw missingIndex(field, 'a range', 'bucket')
      if (value === null) return null
      const bucket = field.bucketOf(value)
      await declare()
      return bucket
    },
  }
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

function noSubjectKeys(field: string): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `${field} declares subjects, and a keyring whose provider wraps every DEK has no keys of subjects: use wrapping 'local'`,
    { field },
  )
}
