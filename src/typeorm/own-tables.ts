import {
  DataSource,
  type DataSourceOptions,
  type EntityMetadata,
  EntitySchema,
  type EntitySchemaColumnOptions,
} from 'typeorm'
import type { TableDefinition } from '../key-store/tables'

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>

/**
 * What TypeORM's schema builder must know to make tables of mortise as `createTables()` does.
 *
 * Built in a DataSource of its own that never connects: the naming strategy and the prefix of the
 * application do not apply, and its entities never meet these tables.
 *
 * @param dataSource - decides the schema, and gives its driver's module
 */
export async function ownMetadatas(
  dataSource: DataSource,
  tables: readonly TableDefinition[],
): Promise<EntityMetadata[]> {
  const { schema, driver } = dataSource.options as PostgresOptions
  const apart = new DataSource({
    type: 'postgres',
    driver,
    ...(schema === undefined ? {} : { schema }),
    entities: tables.map(entitySchema),
    logging: false,
  })
  await (apart as unknown as { buildMetadatas(): Promise<void> }).buildMetadatas()
  return apart.entityMetadatas
}

function entitySchema(table: TableDefinition): EntitySchema {
  const { name, uniques, partialUniques, references } = table
  return new EntitySchema({
    name,
    tableName: name,
    columns: Object.fromEntries(
      table.columns.map((column) => [column.name, columnOf(table, column)]),
    ),
    uniques: uniques.map(({ name, columns }) => ({ name, columns: [...columns] })),
    indices: partialUniques.map(({ name, columns, where }) => ({
      name,
      columns: [...columns],
      where,
      unique: true,
    })),
    foreignKeys: references.map(({ name, columns, table: target, referenced, onDelete }) => ({
      name,
      target,
      columnNames: [...columns],
      referencedColumnNames: [...referenced],
      onDelete,
    })),
  })
}

function columnOf(
  { primaryKey }: TableDefinition,
  { name, type, nullable }: TableDefinition['columns'][number],
): EntitySchemaColumnOptions {
  const column = { name, type, nullable }
  return primaryKey.columns.includes(name)
    ? { ...column, primary: true, primaryKeyConstraintName: primaryKey.name }
    : column
}
