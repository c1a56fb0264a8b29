import { attempt } from '../envelope/one-value'
import { keyNameOf } from '../envelope/open'
import type { SealInput } from '../envelope/seal'
import { isMortiseError, MortiseError } from '../errors'
import type { KeyAccess, OpeningKeys, SealingKey, SubjectKey } from '../keys/access'
import type { FailedValue, SourceRow } from './job/table-task'
import { failureOf, type OpenedValue, type StoredValue } from './opened-page'
import { sealMembers } from './seal-members'

/** A value that is to be sealed again, as its field is declared. */
export interface PlannedValue extends SealInput {
  readonly row: SourceRow
  readonly stored: StoredValue
  /**
   * The subject under whose key it comes, and null for the active key; `'same'` for a value that stays
   * under the key of its subject.
   */
  readonly sealFor: { readonly subject: string | null } | 'same'
}

/** A value with its new envelope. */
export interface ResealedValue {
  readonly value: PlannedValue
  readonly envelope: Buffer
}

/**
 * Says how values are sealed again. A value of a subject stays under the very key that opened it: had the
 * subject been shredded since, another key would bring its values back.
 *
 * @param values - with T of each
 */
export function planSealing(
  { domain }: KeyAccess,
  values: readonly OpenedValue<Uint8Array>[],
): { readonly planned: PlannedValue[]; readonly failed: FailedValue[] } {
  const planned: PlannedValue[] = []
  const failed: FailedValue[] = []
  for (const { stored, opened: encoded } of values) {
    const { row, column } = stored
    const plan = attempt((): PlannedValue => {
      const rowId = column.row?.idOf(row.key[0]) ?? undefined
      const field = column.definition.context(domain)
      return { field, encoded, rowId, row, stored, sealFor: sealedFor(stored) }
    })
    if (isMortiseError(plan)) failed.push(failureOf(stored, plan.code))
    else planned.push(plan)
  }
  return { planned, failed }
}

const ACTIVE = { subject: null }

function sealedFor(stored: StoredValue): PlannedValue['sealFor'] {
  const { column, context, subject } = stored
  if (column.subject === null) return ACTIVE
  if (context.subject) return 'same'
  if (subject === null) throw noSubject(stored)
  return { subject }
}

/**
 * Seals the values of a page: all those of a row that come under one key share a fresh DEK.
 *
 * @param keys - that opened them
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had, ERR_KEY_STATE where the active key was
 *   disabled meanwhile
 */
export async function sealRows(
  access: KeyAccess,
  keys: OpeningKeys,
  values: readonly PlannedValue[],
): Promise<Sealing> {
  const subjects = new Set(
    values.flatMap(({ sealFor }) => (sealFor === 'same' ? [] : [sealFor.subject])),
  )
  const active = await access.sealingKeys(subjects)
  const keyOf = ({ sealFor, stored: { envelope } }: PlannedValue): SealingKey =>
    sealFor === 'same'
      ? (keys.keyOf(keyNameOf(envelope).id, 'subject') as SubjectKey)
      : (active.get(sealFor.subject) as SealingKey)
  const { sealed, failed } = await sealMembers(values, keyOf)
  return {
    resealed: sealed,
    failed: failed.map(({ value, code }) => failureOf(value.stored, code)),
  }
}

interface Sealing {
  readonly resealed: ResealedValue[]
  readonly failed: FailedValue[]
}

function noSubject({ column: { field, subject } }: StoredValue): MortiseError {
  return new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${field} is to be sealed under the key of its subject, and ${subject?.column} of the row is NULL`,
    { field },
  )
}
