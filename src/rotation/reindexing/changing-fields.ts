import { MortiseError } from '../../errors'
import { INDEX_STATES, type IndexRecord, type IndexState } from '../../key-store/store'
import type { IndexControl } from '../../keys/index-control'
import { differenceFrom, fieldRecord } from '../../keys/index-declaration'
import type { EncryptedSchema } from '../../schema'
import { type ChangingColumn, changingTables } from './changing-table'

/** How far a field's change is: before it, a state of its generation to come, or after it. */
export type FieldState = 'unchanged' | Exclude<IndexState, 'active'> | 'done'

/** A field whose indexes change. */
export interface ChangingField {
  readonly column: ChangingColumn
  readonly state: FieldState
  /** What rows are indexed with. */
  readonly active: IndexRecord
  /** The generation to come; null before it was registered and when it is the active one. */
  readonly next: IndexRecord | null
}

const ORDER: readonly FieldState[] = [
  'unchanged',
  ...INDEX_STATES.filter((state) => state !== 'active'),
  'done',
]

/** Orders states as a change goes through them. */
export function compareStates(a: FieldState, b: FieldState): number {
  return ORDER.indexOf(a) - ORDER.indexOf(b)
}

/**
 * The fields that declare `next`, and how far each is, read from the key store now.
 *
 * @param names - `Entity.property` of those to look at; all where it is left out
 * @throws ERR_CONFIG where none declares it, or a named one does not
 * @throws ERR_INDEX_CHANGED where a declaration is neither what rows are indexed with nor what they are
 *   to be
 */
export async function changingFields(
  { tables }: EncryptedSchema,
  control: IndexControl,
  names: readonly string[] | undefined,
): Promise<ChangingField[]> {
  const all = changingTables(tables, () => true).flatMap((table) => table.columns)
  const missing = names?.find((name) => !all.some(({ field }) => field === name))
  if (missing !== undefined || all.length === 0) throw nothingChanges(missing)
  const generations = await control.generations()
  const keyId = await control.keyId()
  const columns = all.filter(({ field }) => names?.includes(field) ?? true)
  return columns.map((column) => {
    const { fieldId } = column.definition
    const found = generations.get(fieldId)
    if (!found) throw notRegistered(column)
    return { column, ...found, state: stateOf(column, found, keyId) }
  })
}

function stateOf(
  { definition }: ChangingColumn,
  { active, next }: Pick<ChangingField, 'active' | 'next'>,
  keyId: string,
): FieldState {
  if (next !== null) return next.state === 'active' ? 'done' : next.state
  const { domain } = active
  const wanted = definition.declaration.next
  const isWanted = wanted !== null && differenceFrom(active, fieldRecord(domain, wanted)) === null
  const hasNewestKey = active.indexKeyId === null || active.indexKeyId === keyId
  const isDeclared = differenceFrom(active, fieldRecord(domain, definition.declaration)) === null
  return isWanted && (hasNewestKey || !isDeclared) ? 'done' : 'unchanged'
}

function nothingChanges(name: string | undefined): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    name === undefined
      ? 'no field of this DataSource declares what its index is to change to: declare `next`'
      : `${name} is no property of this DataSource that declares what its index is to change to: declare \`next\` on it`,
    { field: name },
  )
}

function notRegistered({ field }: ChangingColumn): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `${field} is not registered in the key store yet: start the application once`,
    { field },
  )
}
