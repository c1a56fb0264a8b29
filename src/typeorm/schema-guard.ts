import type { DataSource, EntityMetadata } from 'typeorm'
import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'
import { encryptedColumnsOf } from './encrypted-column'
import { holdsValues, howToKeepValues, type StoredColumn, storedColumns } from './stored-columns'

/** What `synchronize` runs (`build`) and `migration:generate` asks (`log`). */
type SchemaBuilder = ReturnType<DataSource['driver']['createSchemaBuilder']>

/**
 * Shows the tables of the key store to everything that compares the schema, and to nothing else; and
 * refuses to go on where TypeORM would drop a column that still holds plaintext.
 *
 * @param metadatas - asked at every run; empty where the keys are kept elsewhere
 * @throws ERR_WOULD_DROP_PLAINTEXT from `synchronize` and `migration:generate`
 */
export function guardSchemaBuilder(
  dataSource: DataSource,
  metadatas: () => readonly EntityMetadata[],
): void {
  const { driver } = dataSource
  const create = driver.createSchemaBuilder.bind(driver)
  driver.createSchemaBuilder = () => {
    const builder = create()
    showTables(builder, metadatas)
    checkBefore(builder, () => checkPlaintext(dataSource))
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

function checkBefore(builder: SchemaBuilder, check: () => Promise<void>): void {
  const build = builder.build.bind(builder)
  const log = builder.log.bind(builder)
  builder.build = () => check().then(build)
  builder.log = () => check().then(log)
}

/**
 * TypeORM changes a column's type by dropping it and adding an empty one.
 *
 * @throws ERR_WOULD_DROP_PLAINTEXT naming the property and the way to keep its values
 */
async function checkPlaintext(dataSource: DataSource): Promise<void> {
  const synchronized = dataSource.entityMetadatas.filter(({ synchronize }) => synchronize)
  const columns = synchronized.flatMap(encryptedColumnsOf)
  const runner = dataSource.createQueryRunner()
  const query: Query = (sql, parameters) => runner.query(sql, [...parameters])
  try {
    for (const stored of await storedColumns(columns, query)) {
      const otherType = stored.type !== null && stored.type !== stored.column.form
      if (otherType && (await holdsValues(stored.column, query))) throw wouldDrop(stored)
    }
  } finally {
    await runner.release()
  }
}

function wouldDrop(stored: StoredColumn): MortiseError {
  const { field, main } = stored.column
  return new MortiseError(
    'ERR_WOULD_DROP_PLAINTEXT',
    `${field.name}: column ${main.databaseName} of ${main.entityMetadata.tableName} is ${stored.type} and ` +
      `holds values, which this change of the schema would drop; ${howToKeepValues(stored)}`,
    { field: field.name },
  )
}
