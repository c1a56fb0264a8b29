import { attempt } from '../envelope/one-value'
import { keyNameOf } from '../envelope/open'
import type { SealInput } from '../envelope/seal'
import { isMortiseError, MortiseError } from '../errors'
import type { KeyAccess, OpeningKeys, SealingKey, SubjectKey } from '../keys/access'
import type { FailedValue } from './job/table-task'
import { failureOf, type OpenedValue, type StoredValue } from './opened-page'
import { type MemberRecord, sealMembers } from './seal-members'

/** A value that is to be sealed again, as its field is declared. */
export interface PlannedValue extends StoredValue {
  readonly input: SealInput
  /**
   * The subject under whose key it comes, and null for the active key; `'same'` for a value that stays
   * under the key of its subject.
   */
  readonly sealFor: { readonly subject: string | null } | 'same'
}

/** A value with its new envelope. */
export interface ResealedValue extends StoredValue {
  readonly resealed: Buffer
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
  for (const { opened: encoded, ...value } of values) {
    const plan = attempt((): PlannedValue => {
      const { column, row, context, subject } = value
      const rowId = column.row?.idOf(row.key[0]) ?? undefined
      const input = { field: column.definition.context(domain), encoded, rowId }
      if (column.subject === null) return { ...value, input, sealFor: { subject: null } }
      if (context.subject) return { ...value, input, sealFor: 'same' }
      if (subject === null) throw noSubject(value)
      return { ...value, input, sealFor: { subject } }
    })
    if (isMortiseError(plan)) failed.push(failureOf(value, plan.code))
    else planned.push(plan)
  }
  return { planned, failed }
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
  const keyOf = ({ sealFor, envelope }: PlannedValue): SealingKey =>
    sealFor === 'same'
      ? (keys.keyOf(keyNameOf(envelope).id, 'subject') as SubjectKey)
      : (active.get(sealFor.subject) as SealingKey)
  const { sealed, failed } = await sealMembers(recordsOf(values, keyOf))
  return {
    resealed: sealed.map(({ value, envelope }) => ({ ...value, resealed: envelope })),
    failed: failed.map(({ value, code }) => failureOf(value, code)),
  }
}

interface Sealing {
  readonly resealed: ResealedValue[]
  readonly failed: FailedValue[]
}

interface PlannedRecord extends MemberRecord<PlannedValue> {
  readonly members: PlannedValue[]
}

/** The values of one row follow each other. */
function recordsOf(
  values: readonly PlannedValue[],
  keyOf: (value: PlannedValue) => SealingKey,
): PlannedRecord[] {
  const records: PlannedRecord[] = []
  let ofRow: PlannedRecord[] = []
  let row: PlannedValue['row'] | undefined
  for (const value of values) {
    if (value.row !== row) ofRow = []
    row = value.row
    const key = keyOf(value)
    const known = ofRow.find((record) => record.key.id === key.id)
    if (known) {
      known.members.push(value)
      continue
    }
    const record = { key, members: [value] }
    ofRow.push(record)
    records.push(record)
  }
  return records
}

function noSubject({ column: { field, subject } }: StoredValue): MortiseError {
  return new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${field} is to be sealed under the key of its subject, and ${subject?.column} of the row is NULL`,
    { field },
  )
}
