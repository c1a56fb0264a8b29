import type { DataSource, EntityMetadata, EntityTarget, ObjectLiteral } from 'typeorm'
import { MortiseError } from '../errors'
import { encryptedColumnOf } from './encrypted-column'
import type { RawRow } from './internals'
import { openPage, type PageColumn } from './open-page'
import { ExtraColumns, selectedColumns } from './page-reader'
import { Opened } from './placeholder'
import { runtimeOf, sessionOf } from './runtime'

/**
 * Where encrypted values are in raw rows: an alias, whose columns TypeORM names `alias_column` in
 * `getRawMany()`, or the raw name of each property by its path. A property with a subject needs the
 * subject's as well, a row-bound one that of the primary key.
 */
export type RawNames = string | Readonly<Record<string, string>>

/** Rows that one slice of {@link openRawStream} opens together. */
const SLICE = 256

/**
 * Opens the encrypted values of raw rows: of `getRawMany()`, of the `raw` of `getRawAndEntities()`, or of
 * SQL by hand.
 *
 * All keys of the rows are fetched with one question for each kind. Other columns, and NULL, stay as they
 * are.
 *
 * @param entity - whose properties the rows hold
 * @param rows - never changed
 * @returns copies of the rows, with values in the place of envelopes
 * @throws ERR_FIELD_INVALID for a property that is not encrypted, ERR_ROW_UNKNOWN where the subject or the
 *   primary key that a value needs is not among the names, and what reading an entity throws
 * @see docs/how-to/raw-sql.md
 */
export async function openRaw<R extends object>(
  dataSource: DataSource,
  entity: EntityTarget<ObjectLiteral>,
  rows: readonly R[],
  names: RawNames,
): Promise<R[]> {
  const [first] = rows
  if (first === undefined) return []
  const columns = columnsIn(dataSource, entity, names, first)
  const copies = rows.map((row): RawRow => ({ ...(row as RawRow) }))
  const runner = dataSource.createQueryRunner()
  try {
    await openPage(runtimeOf(dataSource), copies, columns, sessionOf(runner))
  } finally {
    await runner.release()
  }
  for (const row of copies) {
    for (const { key } of columns) {
      const cell = row[key]
      if (cell instanceof Opened) row[key] = cell.value
    }
  }
  return copies as R[]
}

/**
 * {@link openRaw} for a stream of rows, such as that of `queryBuilder.stream()`.
 *
 * Opens slices of 256 rows, in constant memory; the source is read no faster than the result.
 *
 * @throws what {@link openRaw} throws, at the slice in question
 */
export async function* openRawStream<R extends object>(
  dataSource: DataSource,
  entity: EntityTarget<ObjectLiteral>,
  rows: AsyncIterable<R>,
  names: RawNames,
): AsyncGenerator<R> {
  let slice: R[] = []
  for await (const row of rows) {
    slice.push(row)
    if (slice.length < SLICE) continue
    yield* await openRaw(dataSource, entity, slice, names)
    slice = []
  }
  yield* await openRaw(dataSource, entity, slice, names)
}

function columnsIn(
  dataSource: DataSource,
  entity: EntityTarget<ObjectLiteral>,
  names: RawNames,
  row: object,
): PageColumn[] {
  const columns =
    typeof names === 'string'
      ? aliasColumns(dataSource, entity, names, row)
      : namedColumns(dataSource.getMetadata(entity), names)
  for (const { column, subjectKey, rowKey } of columns) {
    const missing = [
      column.subject && !holds(row, subjectKey) ? column.subject.name : null,
      column.row && !holds(row, rowKey) ? column.row.name : null,
    ].find((name) => name !== null)
    if (missing) throw rowUnknown(column.field.name, missing)
  }
  return columns
}

/** The names that TypeORM gives, shortened ones included, as far as the rows have them. */
function aliasColumns(
  dataSource: DataSource,
  entity: EntityTarget<ObjectLiteral>,
  alias: string,
  row: object,
): PageColumn[] {
  const builder = dataSource.createQueryBuilder(entity, alias)
  return selectedColumns(builder, new ExtraColumns()).filter(({ key }) => holds(row, key))
}

function namedColumns(
  metadata: EntityMetadata,
  names: Readonly<Record<string, string>>,
): PageColumn[] {
  const keyOf = (path: string | undefined): string | null =>
    path === undefined ? null : (names[path] ?? null)
  return Object.entries(names).flatMap(([path, key]) => {
    const found = metadata.findColumnWithPropertyPath(path)
    if (!found) throw notEncrypted(metadata, path)
    const column = encryptedColumnOf(found)
    if (!column) return []
    const { subject, row } = column
    const subjectKey = keyOf(subject?.column.propertyPath)
    return [{ key, column, subjectKey, rowKey: keyOf(row?.column.propertyPath) }]
  })
}

function holds(row: object, key: string | null): boolean {
  return key !== null && key in row
}

function notEncrypted({ targetName }: EntityMetadata, path: string): MortiseError {
  const field = `${targetName}.${path}`
  return new MortiseError('ERR_FIELD_INVALID', `${field}: there is no such property`, { field })
}

function rowUnknown(field: string, missing: string): MortiseError {
  return new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${field} opens only together with ${missing} of its row: select that as well, and name its column`,
    { field },
  )
}
