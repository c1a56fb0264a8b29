import type { EntityMetadata, ObjectLiteral } from 'typeorm'
import { type EncryptedColumn, hiddenColumnsOf, sealedColumnsOf } from './encrypted-column'
import type { ColumnMetadata } from './internals'
import { refuseQuery } from './predicate'
import { type RowColumn, rowIdOf } from './row-column'
import { type SubjectColumn, subjectIdOf } from './subject-column'
import { fixedRow, fixedSubject, type WhereFacts } from './where-facts'
import { RowWrite } from './write-record'

/** What an UPDATE says about the rows that it matches. */
export interface UpdateStatement {
  readonly metadata: EntityMetadata
  readonly values: ObjectLiteral
  /** The columns that it sets; NULL where the values have none for one, as `{ tenant: null }`. */
  readonly written: ReadonlySet<ColumnMetadata>
  /** The entity behind the statement, where `save()` made it. */
  readonly row: ObjectLiteral | undefined
  /** What its WHERE fixes; see {@link WhereFacts}. */
  readonly facts: WhereFacts | undefined
}

/** An UPDATE that is ready to be rendered. */
export interface UpdateWrite {
  /** The value set, with the properties that a change of their subject seals again. */
  readonly values: ObjectLiteral
  readonly row: RowWrite
}

/**
 * Decides under whose keys an UPDATE seals.
 *
 * @throws ERR_QUERY_UNSUPPORTED where a subject changes and values would stay under the former one's
 *   key. Values of unknown subjects are refused when they are bound
 */
export function planUpdate(statement: UpdateStatement): UpdateWrite {
  const { metadata, values, written } = statement
  const columns = sealedColumnsOf(metadata)
  for (const column of columns) checkSameRow(statement, column)
  const missing = columns.filter(
    (column) => !written.has(column.property) && changesSubject(statement, column),
  )
  const given = missing.reduce((all, column) => sealAgain(statement, all, column), values)
  return {
    values: columns.reduce(withSealed, given),
    row: new RowWrite(
      {
        subjectOf: (subject) => subjectOf(statement, subject),
        rowIdOf: (row) => rowOf(statement, row),
        fix: 'load the row with it and save() it, or let the condition of update() fix it by a plain value',
      },
      values,
    ),
  }
}

/** A row that gets another primary key would keep values that are bound to the former one. */
function checkSameRow(
  { values, written, facts }: UpdateStatement,
  { field, row }: EncryptedColumn,
): void {
  if (!row || !written.has(row.column)) return
  const next = rowIdOf(row, row.column.getEntityValue(values))
  const fixed = fixedRow(facts, row)
  if (next && fixed?.equals(next)) return
  throw refuseQuery(
    field,
    `it is bound to ${row.name}, which this statement may change: insert a new row and remove this one`,
  )
}

function rowOf({ row: entity, facts }: UpdateStatement, row: RowColumn): Buffer | null {
  return rowIdOf(row, entity && row.column.getEntityValue(entity)) ?? fixedRow(facts, row)
}

/** Whether the statement may move its rows to another subject than the one of a column's value. */
function changesSubject(
  { values, written, facts }: UpdateStatement,
  { field, subject }: EncryptedColumn,
): boolean {
  if (!subject || !written.has(subject.column)) return false
  const next: unknown = subject.column.getEntityValue(values)
  if (typeof next === 'function') {
    throw refuseQuery(field, `its subject ${subject.name} cannot be set by an SQL expression`)
  }
  const id = subjectIdOf(subject, next)
  return id === null || id !== fixedSubject(facts, subject)
}

function sealAgain(
  { row }: UpdateStatement,
  values: ObjectLiteral,
  { field, property, subject }: EncryptedColumn,
): ObjectLiteral {
  if (!property.isUpdate) {
    throw refuseQuery(field, `its subject ${subject?.name} changes, and it has update: false`)
  }
  const value: unknown = row && property.getEntityValue(row)
  if (value !== undefined) return withValue(values, property.propertyPath.split('.'), value)
  throw refuseQuery(
    field,
    `its subject ${subject?.name} changes, so that it must be sealed again in the same statement: ` +
      'load it and save() the row, or give it in the same update()',
  )
}

/**
 * Names the hidden columns of a property that is still read from an adopted one: for TypeORM it is a plain
 * property of one column. Their values follow that of the property, whatever stands here.
 */
function withSealed(values: ObjectLiteral, column: EncryptedColumn): ObjectLiteral {
  const { main, property } = column
  const value: unknown = property.getEntityValue(values)
  if (main === property || value === undefined) return values
  return hiddenColumnsOf(column).reduce(
    (all, { propertyPath }) => withValue(all, propertyPath.split('.'), value),
    values,
  )
}

/** A copy with one more property, in embedded objects too: TypeORM's own object stays as it is. */
function withValue(
  values: ObjectLiteral,
  [name = '', ...path]: readonly string[],
  value: unknown,
): ObjectLiteral {
  const inner: ObjectLiteral = values[name] ?? {}
  return { ...values, [name]: path.length === 0 ? value : withValue(inner, path, value) }
}

function subjectOf(
  { values, written, row, facts }: UpdateStatement,
  subject: SubjectColumn,
): string | null {
  const { column } = subject
  const next: unknown = column.getEntityValue(values)
  if (written.has(column)) return subjectIdOf(subject, next)
  const fixed = fixedSubject(facts, subject)
  // Given and not written: then the row keeps a subject that differs from the entity's.
  if (next !== undefined) return fixed
  const current: unknown = row && column.getEntityValue(row)
  return subjectIdOf(subject, current) ?? fixed
}
