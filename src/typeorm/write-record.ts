import { type EntityMetadata, FindOperator, type ObjectLiteral } from 'typeorm'
import { MortiseError } from '../errors'
import type { Field } from '../field'
import {
  type EncryptedColumn,
  encryptedColumnOfField,
  hiddenColumnsOf,
  sealedColumnsOf,
} from './encrypted-column'
import type { ColumnMetadata } from './internals'
import { Placeholder, type WriteRecord } from './placeholder'
import type { RowColumn } from './row-column'
import { cannotWrite, isSealed } from './sealed'
import type { SubjectColumn } from './subject-column'

/** What a statement says of the rows that it writes. */
export interface KnownRows {
  /** The canonical subject id in a column of a row, or null where it is not known. */
  subjectOf(subject: SubjectColumn, values: ObjectLiteral): string | null
  /** The row id, or null where it is not known. */
  rowIdOf(row: RowColumn, values: ObjectLiteral): Buffer | null
  /** What the application can do where it is not. */
  readonly fix: string
}

/** One row that a statement writes: one record, and so one DEK, for each subject in it. */
export class RowWrite {
  readonly #known: KnownRows
  readonly #values: ObjectLiteral
  #own: WriteRecord | undefined
  #ofSubjects: Map<ColumnMetadata, WriteRecord> | undefined

  /** @param values - what the statement writes into the row */
  constructor(known: KnownRows, values: ObjectLiteral) {
    this.#known = known
    this.#values = values
  }

  /** @throws ERR_ROW_UNKNOWN where the field has a subject and the row's is not known */
  recordOf({ field, subject }: EncryptedColumn): WriteRecord {
    if (!subject) {
      this.#own ??= { subject: null }
      return this.#own
    }
    this.#ofSubjects ??= new Map()
    const begun = this.#ofSubjects.get(subject.column)
    if (begun) return begun
    const id = this.#known.subjectOf(subject, this.#values)
    if (id === null) throw subjectUnknown(field, subject, this.#known.fix)
    const record = { subject: id }
    this.#ofSubjects.set(subject.column, record)
    return record
  }

  /**
   * What a row-bound value is sealed with; undefined for a value that is not bound.
   *
   * @throws ERR_ROW_UNKNOWN where the row's primary key is not known
   */
  rowIdOf({ field, row }: EncryptedColumn): Buffer | undefined {
    if (!row) return undefined
    const id = this.#known.rowIdOf(row, this.#values)
    if (id === null) throw rowUnknown(field, row, this.#known.fix)
    return id
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
  const column = encryptedColumnOfField(value.field)
  return value.bind(row.recordOf(column), row.rowIdOf(column))
}

/**
 * Refuses values that would reach an encrypted column as SQL text, or write an index column by hand.
 *
 * @param values - one value set of an INSERT or UPDATE
 * @throws ERR_QUERY_UNSUPPORTED naming the property and the fix
 */
export function checkValueSet(metadata: EntityMetadata, values: ObjectLiteral): void {
  for (const column of sealedColumnsOf(metadata)) writtenValue(column, values)
}

/**
 * The value of a property, as {@link checkValueSet} checks it.
 *
 * @returns undefined where the values have none
 */
export function writtenValue(column: EncryptedColumn, values: ObjectLiteral): unknown {
  const { field, property } = column
  const value: unknown = property.getEntityValue(values)
  if (isSealed(value)) throw cannotWrite(field.name)
  if (typeof value === 'function') {
    throw refusal(field.name, 'SQL expressions cannot be encrypted; load the row and save it')
  }
  if (value instanceof FindOperator) {
    throw refusal(field.name, 'a find operator is a condition, and no value to write')
  }
  for (const { propertyPath, propertyName } of hiddenColumnsOf(column)) {
    if (holdsPath(values, propertyPath)) {
      throw refusal(field.name, `${propertyName} is maintained by mortise; leave it out`)
    }
  }
  return value
}

function refusal(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_QUERY_UNSUPPORTED', `${field}: ${problem}`, { field })
}

/** The hidden column's own accessor follows the main property: the caller's object is asked. */
function holdsPath(values: ObjectLiteral, path: string): boolean {
  if (!path.includes('.')) return Object.hasOwn(values, path)
  let current: unknown = values
  for (const name of path.split('.')) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, name))
      return false
    current = (current as ObjectLiteral)[name]
  }
  return true
}
