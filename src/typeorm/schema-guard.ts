import type { DataSource, EntityMetadata } from 'typeorm'
import { placeLabel, quote } from '../adoption/adopted-place'
import { holdsPlain } from '../adoption/adoption-record'
import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'
import type { KeyAccess } from '../keys/access'
import { type AdoptingColumn, placeOf } from './adopted-places'
import { type AdoptionMigration, adoptionMigration, wouldDrop } from './adoption-migration'
import { inTransaction } from './bracketed'
import { checkBeside } from './check-beside'
import { sealedColumnsOf } from './encrypted-column'
import { holdsValues, howToKeepValues, type StoredColumn, storedColumns } from './stored-columns'

/** What `synchronize` runs (`build`) and `migration:generate` asks (`log`). */
type SchemaBuilder = ReturnType<DataSource['driver']['createSchemaBuilder']>

/**
 * Shows the tables of the key store to everything that compares the schema, and to nothing else; and
 * refuses to go on where TypeORM would drop a column that still holds plaintext.
 *
 * @param metadatas - asked at every run; empty where the keys are kept elsewhere
 * @param keys - tell which indexes are being changed; null where there are none to ask
 * @throws ERR_WOULD_DROP_PLAINTEXT from `synchronize` and `migration:generate`
 */
export function guardSchemaBuilder(
  dataSource: DataSource,
  metadatas: () => readonly EntityMetadata[],
  keys: KeyAccess | null,
): void {
  const { driver } = dataSource
  const create = driver.createSchemaBuilder.bind(driver)
  driver.createSchemaBuilder = () => {
    const builder = create()
    showTables(builder, metadatas)
    withAdoptions(builder, dataSource)
    if (keys) checkFirst(builder, () => checkBeside(dataSource, keys))
    return builder
  }
}

/** Both TypeORM lines ask this getter for the tables of each step. */
function showTables(builder: SchemaBuilder, metadatas: () => readonly EntityMetadata[]): void {
  const name = 'entityToSyncMetadatas'
  const own = Object.getPrototypeOf(builder) as object
  Object.defineProperty(builder, name, {
    get: (): EntityMetadata[] => [...Reflect.get(own, name, builder), ...metadatas()],
  })
}

function checkFirst(builder: SchemaBuilder, check: () => Promise<void>): void {
  const build = builder.build.bind(builder)
  const log = builder.log.bind(builder)
  builder.build = async () => {
    await check()
    return build()
  }
  builder.log = async () => {
    await check()
    return log()
  }
}

/** The statements of adoptions, around those of TypeORM, which know nothing of triggers. */
function withAdoptions(builder: SchemaBuilder, dataSource: DataSource): void {
  const build = builder.build.bind(builder)
  const log = builder.log.bind(builder)
  // A connection for each statement: TypeORM takes one of its own, and a pool may have no more.
  const query: Query = (sql, parameters) => dataSource.query(sql, [...parameters])
  const check = () => checkBefore(dataSource, query, log)
  builder.build = async () => {
    const { before, after } = await check()
    await runAll(dataSource, before.up)
    await build()
    await runAll(dataSource, after.up)
  }
  builder.log = async () => {
    const { before, after } = await check()
    const sql = await log()
    const queries = (statements: readonly string[]) =>
      statements.map((statement) => ({ query: statement }) as (typeof sql.upQueries)[number])
    sql.upQueries = [...queries(before.up), ...sql.upQueries, ...queries(after.up)]
    sql.downQueries = [...queries(before.down), ...sql.downQueries, ...queries(after.down)]
    return sql
  }
}

async function runAll(dataSource: DataSource, statements: readonly string[]): Promise<void> {
  if (statements.length === 0) return
  const runner = dataSource.createQueryRunner()
  const query: Query = (sql, parameters) => runner.query(sql, [...parameters])
  try {
    await inTransaction(query, async (send) => {
      for (const statement of statements) await send(statement, [])
    })
  } finally {
    await runner.release()
  }
}

async function checkBefore(
  dataSource: DataSource,
  query: Query,
  log: SchemaBuilder['log'],
): Promise<AdoptionMigration> {
  await checkPlaintext(dataSource, query)
  const migration = await adoptionMigration(dataSource, query)
  for (const column of migration.kept) {
    const place = placeOf(column)
    if (!(await holdsPlain(place, query))) continue
    const { upQueries } = await log()
    const drops = upQueries.some(
      ({ query: sql }) =>
        sql.includes(`DROP COLUMN ${quote(place.plainColumn)}`) && sql.includes(quote(place.table)),
    )
    if (drops) throw wouldChange(column)
  }
  return migration
}

/**
 * TypeORM changes a column's type by dropping it and adding an empty one.
 *
 * @throws ERR_WOULD_DROP_PLAINTEXT naming the property and the way to keep its values
 */
async function checkPlaintext(dataSource: DataSource, query: Query): Promise<void> {
  const synchronized = dataSource.entityMetadatas.filter(({ synchronize }) => synchronize)
  for (const stored of await storedColumns(synchronized.flatMap(sealedColumnsOf), query)) {
    const otherType = stored.type !== null && stored.type !== stored.column.form
    if (otherType && (await holdsValues(stored.column, query))) throw wouldReplace(stored)
  }
}

function wouldReplace(stored: StoredColumn): MortiseError {
  const { field, main } = stored.column
  return new MortiseError(
    'ERR_WOULD_DROP_PLAINTEXT',
    `${field.name}: column ${main.databaseName} of ${main.entityMetadata.tableName} is ${stored.type} and ` +
      `holds values, which this change of the schema would drop; ${howToKeepValues(stored)}`,
    { field: field.name },
  )
}

function wouldChange(column: AdoptingColumn): MortiseError {
  const { plainColumn: name, ...place } = placeOf(column)
  return wouldDrop(
    `${column.field.name} adopts`,
    { table: placeLabel(place), column: name },
    'declare adopt.column with the type, length and precision that the column has',
    column.field.name,
  )
}
