import type { EntityMetadata } from 'typeorm'
import { writesPlain } from '../adoption/adoption-state'
import { MortiseError } from '../errors'
import { type EncryptedColumn, hiddenColumnsOf, sealedColumnsOf } from './encrypted-column'
import type { ColumnMetadata, ExpressionMap } from './internals'
import { refuseQuery } from './predicate'

/**
 * Refuses an INSERT that would write an encrypted column past its placeholders, or leave an existing
 * row with values that its subject's key or its index columns do not fit.
 *
 * @param inserted - the columns of the statement
 * @throws ERR_QUERY_UNSUPPORTED, ERR_ROW_UNKNOWN naming the property and the fix
 */
export function checkInsertion(
  metadata: EntityMetadata,
  { insertFromSelect, onConflict, onUpdate }: ExpressionMap,
  inserted: readonly ColumnMetadata[],
): void {
  const [first] = sealedColumnsOf(metadata)
  if (first && onUpdate) checkConflictTarget(first, metadata, onUpdate, inserted)
  for (const column of sealedColumnsOf(metadata)) {
    if (insertFromSelect && inserted.includes(column.property)) {
      throw refuseQuery(
        column.field,
        'INSERT from a SELECT cannot seal; read the rows and save them',
      )
    }
    if (onConflict && namesAny(onConflict, column)) {
      throw refuseQuery(column.field, 'ON CONFLICT as SQL text is not supported; use orUpdate()')
    }
    if (onUpdate) checkOverwrite(column, metadata, onUpdate)
  }
}

type OnUpdate = NonNullable<ExpressionMap['onUpdate']>

/**
 * TypeORM leaves a key that the database makes out of the statement, so that it conflicts with no row
 * and every upsert is one more.
 */
function checkConflictTarget(
  { field }: EncryptedColumn,
  { columns }: EntityMetadata,
  { conflict }: OnUpdate,
  inserted: readonly ColumnMetadata[],
): void {
  if (!Array.isArray(conflict)) return
  const missing = columns.find(
    (column) => conflict.includes(column.databaseName) && !inserted.includes(column),
  )
  if (!missing) return
  throw refuseQuery(
    field,
    `this upsert would insert a second row: its conflict is decided by ${missing.propertyPath}, which ` +
      'the database makes and the statement does not hold; save() the row, or name a unique property',
  )
}

function checkOverwrite(column: EncryptedColumn, metadata: EntityMetadata, on: OnUpdate): void {
  const overwritten = new Set(on.overwrite ?? [])
  const { field, subject } = column
  if (on.columns?.some((name) => columnNames(column).includes(name))) {
    throw refuseQuery(
      field,
      'overwriting it by a parameter is not supported; name it in orUpdate()',
    )
  }
  if (on.skipUpdateIfNoValuesChanged) {
    throw refuseQuery(
      field,
      'skipUpdateIfNoValuesChanged would compare its ciphertext, which always differs; leave it out',
    )
  }
  const parts = physicalNames(column)
  const present = parts.filter((name) => overwritten.has(name))
  if (present.length > 0 && present.length < parts.length) {
    throw refuseQuery(field, `its columns are overwritten together: ${parts.join(', ')}`)
  }
  checkBoundRow(column, on, present.length > 0)
  if (!subject || isConflictTarget(on, subject.column)) return
  const movesRow = overwritten.has(subject.column.databaseName)
  if (present.length > 0 && !movesRow) throw existingSubjectUnknown(column)
  if (present.length === 0 && movesRow) {
    throw refuseQuery(
      field,
      `the row found by the conflict would change its ${subject.name}; overwrite all properties of ` +
        `that subject: ${ofSubject(metadata, subject.column)}`,
    )
  }
}

/** The row that a conflict finds has the key of the one that was to be inserted only if that is the conflict. */
function checkBoundRow({ field, row }: EncryptedColumn, on: OnUpdate, overwrites: boolean): void {
  if (!row) return
  const { conflict, overwrite = [] } = on
  const { databaseName } = row.column
  const onKey = Array.isArray(conflict) && conflict.length === 1 && conflict[0] === databaseName
  if (onKey || !(overwrites || overwrite.includes(databaseName))) return
  throw new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${field.name} is bound to its row, and the row found by a conflict may have another ` +
      `${row.name}: make that the conflict target`,
    { field: field.name },
  )
}

/** Then the row that is found has the very subject of the one that was to be inserted. */
function isConflictTarget({ conflict }: OnUpdate, { databaseName }: ColumnMetadata): boolean {
  return Array.isArray(conflict) && conflict.includes(databaseName)
}

function existingSubjectUnknown({ field, subject }: EncryptedColumn): MortiseError {
  return new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${field.name} is sealed under the key of its subject, and the row found by a conflict may have ` +
      `another ${subject?.name}: overwrite that as well, or make it part of the conflict target`,
    { field: field.name },
  )
}

function ofSubject(metadata: EntityMetadata, column: ColumnMetadata): string {
  return sealedColumnsOf(metadata)
    .filter(({ subject }) => subject?.column === column)
    .map(({ property }) => property.propertyPath)
    .join(', ')
}

/** The names of all columns that a write of the property sets. */
function physicalNames(column: EncryptedColumn): string[] {
  const { adopted } = column
  return [column.property, ...hiddenColumnsOf(column)]
    .filter((one) => one !== adopted?.column || writesPlain(adopted.state))
    .map(({ databaseName }) => databaseName)
}

function columnNames(column: EncryptedColumn): string[] {
  const { subject, row } = column
  const places = [subject, row].flatMap((place) => (place ? [place.column.databaseName] : []))
  return [...physicalNames(column), ...places]
}

/** Cautious: `DO NOTHING` is the one text that surely writes nothing. */
function namesAny(text: string, column: EncryptedColumn): boolean {
  return (
    !/\bDO\s+NOTHING\s*$/i.test(text) && columnNames(column).some((name) => text.includes(name))
  )
}
