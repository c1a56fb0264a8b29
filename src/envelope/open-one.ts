import type { FieldContext } from './field-context'
import { attempt } from './one-value'
import { createOpener, type KeyLookup } from './open'

/** One stored value that is to be opened. */
export interface OpenInput {
  readonly envelope: Uint8Array
  readonly field: FieldContext
  /** Made by `encodeRowId`. Required where the field is row-bound, without effect elsewhere. */
  readonly rowId?: Uint8Array | undefined
  /** Of the row's subject property. Required where the field has a subject. */
  readonly subjectRef?: Uint8Array | undefined
}

/**
 * What an envelope opens as: its value, or T as `encodeValue` writes it; or whether it can be unlocked,
 * which needs no ciphertext.
 */
export type OpenAs = 'value' | 'encoded' | 'unlocked'

/**
 * An opener of one page in JavaScript that gives an error instead of throwing it; see `Opener`.
 *
 * @returns what opens one envelope: true for one that is only unlocked
 */
export function openOne(keyOf: KeyLookup, as: OpenAs): (input: OpenInput) => unknown {
  const opener = createOpener(keyOf)
  if (as === 'unlocked') {
    return ({ envelope, field, subjectRef }) =>
      attempt(() => {
        opener.unlock(envelope, field, subjectRef)
        return true
      })
  }
  const open = as === 'value' ? opener.open : opener.openEncoded
  return ({ envelope, field, rowId, subjectRef }) =>
    attempt(() => open(envelope, field, rowId, subjectRef))
}
