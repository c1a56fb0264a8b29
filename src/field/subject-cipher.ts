import type { FieldIndexCipher } from './field-index-cipher'

/** Names a subject: `5`, `5n` and `'5'` are one, and UUIDs are compared in lower case. */
export type SubjectId = string | number | bigint

/** Whose value it is. */
export interface OfSubject {
  readonly subject: SubjectId
}

/**
 * Seals, opens and indexes the values of one field under a key of its own for each subject. `null`
 * stays `null`. Destroying a subject's key, with `shred`, destroys its values.
 *
 * A page of values of 10,000 subjects costs one query for keys and no provider call per subject.
 */
export interface SubjectFieldCipher<V> extends FieldIndexCipher<V> {
  /**
   * Seals one value under a DEK of its own, which the subject's key wraps; that key is made where the
   * subject has none.
   *
   * @returns an envelope of format 1, or null for null
   * @throws ERR_VALUE_INVALID for undefined, a value of another type, or what is no subject id
   * @throws ERR_VALUE_TOO_LARGE above 64 MiB
   */
  seal(value: V | null, of: OfSubject): Promise<Buffer | null>
  /**
   * Opens one envelope of this field and this subject.
   *
   * @param envelope - bytes, or the text form
   * @throws ERR_SUBJECT_SHREDDED where the subject's key was destroyed, unless `shredded` is `'null'`
   * @throws ERR_DECRYPTION_FAILED for the value of another subject, and for every other cause
   * @throws what `FieldCipher.open` throws
   */
  open(envelope: Uint8Array | string | null, of: OfSubject): Promise<V | null>
  /** Seals many values, each under a DEK of its own. */
  sealMany(
    values: readonly (OfSubject & { readonly value: V | null })[],
  ): Promise<(Buffer | null)[]>
  /** Opens many envelopes. */
  openMany(
    envelopes: readonly (OfSubject & { readonly envelope: Uint8Array | string | null })[],
  ): Promise<(V | null)[]>
}
