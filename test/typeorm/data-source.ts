import { DataSource, type DataSourceOptions, type EntityMetadata } from 'typeorm'
import { MORTISE_TABLES } from '../../src/key-store/tables'
import { bindMetadata } from '../../src/typeorm/bind-metadata'
import { ownMetadatas } from '../../src/typeorm/own-tables'
import { guardSchemaBuilder } from '../../src/typeorm/schema-guard'

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>

/**
 * A DataSource with the schema side of an installation and nothing else: bound metadata, the
 * tables of mortise, the guard.
 */
export function guardedDataSource(url: string, options: Partial<PostgresOptions> = {}): DataSource {
  const dataSource = new DataSource({ type: 'postgres', url, ...options } as PostgresOptions)
  let tables: readonly EntityMetadata[] = []
  const building = dataSource as unknown as { buildMetadatas(): Promise<void> }
  const build = building.buildMetadatas
  building.buildMetadatas = async () => {
    await build.call(dataSource)
    bindMetadata(dataSource.entityMetadatas, 'default')
    tables = await ownMetadatas(dataSource, MORTISE_TABLES)
  }
  guardSchemaBuilder(dataSource, () => tables, null)
  return dataSource
}

/** The statements that `migration:generate` would write. */
export async function pendingStatements(dataSource: DataSource): Promise<string[]> {
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
  return upQueries.map(({ query }) => query)
}
