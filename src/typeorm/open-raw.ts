import type {
  DataSource,
  EntityManager,
  EntityMetadata,
  EntityTarget,
  ObjectLiteral,
  QueryRunner,
} from 'typeorm'
import { MortiseError } from '../errors'
import { columnSql } from './compile-predicate'
import { encryptedColumnOf, sealedColumnOf, sealedColumnsOf } from './encrypted-column'
import { type ColumnMetadata, dataSourceOf, type RawRow, type SelectInternals } from './internals'
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

/** Where keys are read: in a transaction its manager or query runner, whose connection serves. */
export type RawSource = DataSource | EntityManager | QueryRunner

/** Rows that one slice of {@link openRawStream} opens together. */
const SLICE = 256

/**
 * Opens the encrypted values of raw rows: of `getRawMany()`, of the `raw` of `getRawAndEntities()`, or of
 * SQL by hand.
 *
 * All keys of the rows are fetched with one question for each kind. Other columns, and NULL, stay as they
 * are.
 *
 * @param source - the DataSource; inside of a transaction its manager or query runner
 * @param entity - whose properties the rows hold
 * @param rows - never changed
 * @returns copies of the rows, with values in the place of envelopes
 * @throws ERR_FIELD_INVALID for a name or alias that the rows do not have, and for a property that has
 *   nothing to do with opening; ERR_ROW_UNKNOWN where the subject or the primary key that a value needs is
 *   not among the names; and what reading an entity throws
 * @see docs/how-to/raw-sql.md
 */
export async function openRaw<R extends object>(
  source: RawSource,
  entity: EntityTarget<ObjectLiteral>,
  rows: readonly R[],
  names: RawNames,
): Promise<R[]> {
  if (rows.length === 0) return []
  const { dataSource, runner: own } = placeOf(source)
  const keys = new Set(rows.flatMap((row) => Object.keys(row)))
  const { columns, plain } = columnsIn(dataSource, entity, names, keys)
  const copies = rows.map((row): RawRow => ({ ...(row as RawRow) }))
  const runner = own ?? dataSource.createQueryRunner()
  try {
    await openPage(runtimeOf(dataSource), copies, columns, sessionOf(runner))
  } finally {
    if (!own) await runner.release()
  }
  for (const row of copies) {
    for (const { key } of columns) {
      const cell = row[key]
      if (cell instanceof Opened) row[key] = cell.value
    }
    for (const { key, column } of plain) {
      row[key] = dataSource.driver.prepareHydratedValue(row[key], column)
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
  source: RawSource,
  entity: EntityTarget<ObjectLiteral>,
  rows: AsyncIterable<R>,
  names: RawNames,
): AsyncGenerator<R> {
  let slice: R[] = []
  for await (const row of rows) {
    slice.push(row)
    if (slice.length < SLICE) continue
    yield* await openRaw(source, entity, slice, names)
    slice = []
  }
  yield* await openRaw(source, entity, slice, names)
}

function placeOf(source: RawSource): { dataSource: DataSource; runner: QueryRunner | undefined } {
  if ('entityMetadatas' in source) return { dataSource: source, runner: undefined }
  const runner = 'startTransaction' in source ? source : source.queryRunner
  return { dataSource: dataSourceOf(source), runner }
}

/** The columns of raw rows that a property is read from. */
interface RawColumns {
  readonly columns: PageColumn[]
  /** Those of properties that are adopted, and not read from envelopes yet. */
  readonly plain: { readonly key: string; readonly column: ColumnMetadata }[]
}

function columnsIn(
  dataSource: DataSource,
  entity: EntityTarget<ObjectLiteral>,
  names: RawNames,
  keys: ReadonlySet<string>,
): RawColumns {
  const metadata = dataSource.getMetadata(entity)
  const found =
    typeof names === 'string'
      ? aliasColumns(dataSource, metadata, names, keys)
      : namedColumns(metadata, names, keys)
  const { columns } = found
  for (const { column, subjectKey, rowKey } of columns) {
    const missing = [
      column.subject && !keys.has(String(subjectKey)) ? column.subject.name : null,
      column.row && !keys.has(String(rowKey)) ? column.row.name : null,
    ].find((name) => name !== null)
    if (missing) throw rowUnknown(column.field.name, missing)
  }
  return found
}

/** The names that TypeORM gives, shortened ones included, as far as the rows have them. */
function aliasColumns(
  dataSource: DataSource,
  metadata: EntityMetadata,
  alias: string,
  keys: ReadonlySet<string>,
): RawColumns {
  const builder = dataSource.createQueryBuilder(metadata.target, alias)
  const isThere = ({ key }: { readonly key: string }) => keys.has(key)
  const columns = selectedColumns(builder, new ExtraColumns()).filter(isThere)
  const plain = selectedPlain(builder, metadata, alias).filter(isThere)
  if (columns.length + plain.length > 0) return { columns, plain }
  const { targetName } = metadata
  throw invalid(targetName, `no row has an encrypted column of the alias '${alias}'`)
}

function selectedPlain(
  builder: object,
  metadata: EntityMetadata,
  alias: string,
): RawColumns['plain'] {
  const internals = builder as SelectInternals
  const selects = internals.buildEscapedEntityColumnSelects(alias, metadata)
  return sealedColumnsOf(metadata).flatMap(({ main, property: column }) => {
    const sql = columnSql({ alias, builder: internals }, column)
    const select = selects.find(({ selection }) => selection === sql)
    return select && column !== main ? [{ key: select.aliasName, column }] : []
  })
}

function namedColumns(
  metadata: EntityMetadata,
  names: Readonly<Record<string, string>>,
  keys: ReadonlySet<string>,
): RawColumns {
  const keyOf = (path: string | undefined): string | null =>
    path === undefined ? null : (names[path] ?? null)
  const plain: RawColumns['plain'] = []
  const columns = Object.entries(names).flatMap(([path, key]) => {
    const found = metadata.findColumnWithPropertyPath(path)
    const name = `${metadata.targetName}.${path}`
    if (!found) throw invalid(name, 'there is no such property')
    if (!keys.has(key)) throw invalid(name, `no row has a column '${key}'`)
    const column = encryptedColumnOf(found)
    const isPlain = !column && sealedColumnOf(found) !== undefined
    if (isPlain) plain.push({ key, column: found })
    const isNeeded = sealedColumnsOf(metadata).some(
      ({ subject, row }) => subject?.column === found || row?.column === found,
    )
    if (!column && !isNeeded && !isPlain) throw invalid(name, 'it is not encrypted; leave it out')
    if (!column) return []
    const { subject, row } = column
    const subjectKey = keyOf(subject?.column.propertyPath)
    return [{ key, column, subjectKey, rowKey: keyOf(row?.column.propertyPath) }]
  })
  return { columns, plain }
}

function invalid(field: string, problem: string): MortiseError {
  return new MortiseError('ERR_FIELD_INVALID', `${field}: ${problem}`, { field })
}

function rowUnknown(field: string, missing: string): MortiseError {
  return new MortiseError(
    'ERR_ROW_UNKNOWN',
    `${field} opens only together with ${missing} of its row: select that as well, and name its column`,
    { field },
  )
}
