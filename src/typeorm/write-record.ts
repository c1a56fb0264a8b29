import type { EntityMetadata, ObjectLiteral } from 'typeorm'
import { MortiseError } from '../errors'
import type { Field } from '../field'
import { encryptedColumnOfField, hiddenColumnsOf, sealedColumnsOf } from './encrypted-column'
import type { ColumnMetadata } from './internals'
import { Placeholder, type WriteRecord } from './placeholder'
import type { RowColumn } from './row-column'
import { cannotWrite, isSealed } from './sealed'
import type { SubjectColumn } from './subject-column'

/** One row that a statement writes: one record, and so one DEK, for each subject in it. */
export interface RowWrite {
  /** @throws ERR_ROW_UNKNOWN where the field has a subject and the row's is not known */
  recordOf(field: Field): WriteRecord
  /**
   * What a row-bound value is sealed with; undefined for a value that is not bound.
   *
   * @throws ERR_ROW_UNKNOWN where the row's primary key is not known
   */
  rowIdOf(field: Field): Buffer | undefined
}

/** What a statement says of the row that it writes. */
export interface KnownRow {
  /** The canonical subject id in a column of the row, or null where it is not known. */
  subjectOf(subject: SubjectColumn): string | null
  /** The row id, or null where it is not known. */
  rowIdOf(row: RowColumn): Buffer | null
  /** What the application can do where it is not. */
  readonly fix: string
}

/** Begins a row. */
export function beginRow(known: KnownRow): RowWrite {
  const records = new Map<ColumnMetadata | null, WriteRecord>()
  return {
    recordOf(field) {
      const { subject } = encryptedColumnOfField(field)
      const begun = records.get(subject?.column ?? null)
      if (begun) return begun
      const id = subject && known.subjectOf(subject)
      if (subject && id === null) throw subjectUnknown(field, subject, known.fix)
      const record = { subject: id }
      records.set(subject?.column ?? null, record)
      return record
    },
    rowIdOf(field) {
      const { row } = encryptedColumnOfField(field)
      if (!row) return undefined
      const id = known.rowIdOf(row)
      if (id === null) throw rowUnknown(field, row, known.fix)
      return id
    },
  }
}

function rowUnknown({ name }: Field, row: RowColumn, fix: string): MortiseError {
  return new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${name} is bound to its row, and ${row.name} of the row is not known here: ${fix}`,
    { field: name },
  )
}

function subjectUnknown({ name }: Field, subject: SubjectColumn, fix: string): MortiseError {
  return new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${name} is sealed under the key of its subject, and ${subject.name} of the row is not known ` +
      `here: ${fix}`,
    { field: name },
  )
}

/**
 * Binds a value that a statement writes to its record. Placeholders outside of a row belong to
 * conditions and are left to those who made them.
 */
export function bindParameter(value: unknown, row: RowWrite | undefined): unknown {
  if (isSealed(value)) throw cannotWrite(value.field)
  if (!row || !(value instanceof Placeholder)) return value
  return value.bind(row.recordOf(value.field), row.rowIdOf(value.field))
}

/**
 * Refuses values that would reach an encrypted column as SQL text, or write an index column by hand.
 *
 * @param values - one value set of an INSERT or UPDATE
 * @throws ERR_QUERY_UNSUPPORTED naming the property and the fix
 */
export function checkValueSet(metadata: EntityMetadata, values: ObjectLiteral): void {
  for (const column of sealedColumnsOf(metadata)) {
    const { field, property } = column
    if (isSealed(property.getEntityValue(values))) throw cannotWrite(field.name)
    if (typeof property.getEntityValue(values) === 'function') {
      throw refusal(field.name, 'SQL expressions cannot be encrypted; load the row and save it')
    }
    for (const hidden of hiddenColumnsOf(column)) {
      if (holdsPath(values, hidden.propertyPath)) {
        throw refusal(field.name, `${hidden.propertyName} is maintained by mortise; leave it out`)
      }
    }
  }
}

function refusal(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_QUERY_UNSUPPORTED', `${field}: ${problem}`, { field })
}

/** The hidden column's own accessor follows the main property: the caller's object is asked. */
function holdsPath(values: ObjectLiteral, path: string): boolean {
  let current: unknown = values
  for (const name of path.split('.')) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, name))
      return false
    current = (current as ObjectLiteral)[name]
  }
  return true
}
