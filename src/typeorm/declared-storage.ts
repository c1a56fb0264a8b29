import type { DataSource, EntityMetadata } from 'typeorm'
import { isInView } from './check-columns'
import { type ColumnRole, markOf } from './declaration'
import { sealedColumnsOf } from './encrypted-column'
import type { ColumnMetadata } from './internals'

/** What the entities of a DataSource ask of the database for their encrypted properties. */
export interface DeclaredStorage {
  readonly columns: readonly DeclaredTableColumn[]
  /** Indexes and unique constraints that hold a token or bucket column. */
  readonly indexes: readonly DeclaredIndex[]
  readonly checks: readonly DeclaredCheck[]
}

interface InTable {
  /** Null for the connection's search path. */
  readonly schema: string | null
  readonly table: string
}

/** One column of an encrypted property. */
export interface DeclaredTableColumn extends InTable {
  /** `Entity.property`. */
  readonly field: string
  readonly role: Exclude<ColumnRole, 'plain'>
  readonly column: string
  /** In PostgreSQL's own spelling. */
  readonly type: string
  readonly nullable: boolean
}

/** One index or unique constraint; TypeORM compares its name. */
export interface DeclaredIndex extends InTable {
  /** `Entity.property` of the first token or bucket column in it. */
  readonly field: string
  readonly name: string
  readonly columns: readonly string[]
  readonly unique: boolean
  /** Unique as a constraint of the table, and not as an index alone. */
  readonly constraint: boolean
  /** Condition of a partial index. */
  readonly where: string | null
}

/** A CHECK that is declared on an entity: TypeORM drops those that are not. */
export interface DeclaredCheck extends InTable {
  readonly name: string
}

/**
 * What the schema must have for the encrypted properties of an initialised DataSource, from TypeORM's
 * metadata alone: nothing is asked of the database. Classes of one inheritance tree share a table, and
 * each of its columns is told once.
 */
export function declaredStorage(dataSource: DataSource): DeclaredStorage {
  const metadatas = dataSource.entityMetadatas.filter((metadata) =>
    sealedColumnsOf(metadata).some((column) => !isInView(column)),
  )
  return {
    columns: distinct(metadatas.flatMap(columnsOf), ({ column }) => column),
    indexes: distinct(metadatas.flatMap(indexesOf), ({ name }) => name),
    checks: metadatas.flatMap((metadata) =>
      metadata.checks.map(({ name }) => ({ ...tableOf(metadata), name })),
    ),
  }
}

function columnsOf(metadata: EntityMetadata): DeclaredTableColumn[] {
  return metadata.columns.flatMap((column) => {
    const role = roleOf(column)
    if (role === undefined) return []
    const { databaseName, isNullable, type } = column
    const field = fieldOf(column)
    return [
      {
        ...{ ...tableOf(metadata), field, role },
        ...{ column: databaseName, type: String(type), nullable: isNullable },
      },
    ]
  })
}

function indexesOf(metadata: EntityMetadata): DeclaredIndex[] {
  const describe = (
    { name, columns }: { name: string; columns: readonly ColumnMetadata[] },
    more: Pick<DeclaredIndex, 'unique' | 'constraint' | 'where'>,
  ): DeclaredIndex[] => {
    const hidden = columns.find((column) => roleOf(column) !== undefined)
    if (!hidden) return []
    const names = columns.map(({ databaseName }) => databaseName)
    return [{ ...tableOf(metadata), field: fieldOf(hidden), name, columns: names, ...more }]
  }
  return [
    ...metadata.uniques.flatMap((unique) =>
      describe(unique, { unique: true, constraint: true, where: null }),
    ),
    ...metadata.indices.flatMap((index) =>
      describe(index, { unique: index.isUnique, constraint: false, where: index.where ?? null }),
    ),
  ]
}

/** Undefined for a column in clear, also for one that is being adopted. */
function roleOf({ transformer }: ColumnMetadata): DeclaredTableColumn['role'] | undefined {
  const role = markOf(transformer)?.role
  return role === 'plain' ? undefined : role
}

/** `Entity.property`: a hidden property is named after the one that it belongs to. */
function fieldOf({ entityMetadata, propertyPath, transformer }: ColumnMetadata): string {
  const { length = 0 } = markOf(transformer)?.suffix ?? {}
  return `${entityMetadata.targetName}.${propertyPath.slice(0, propertyPath.length - length)}`
}

function tableOf({ schema, tableName }: EntityMetadata): InTable {
  return { schema: schema ?? null, table: tableName }
}

/** The first of those that share a table and a name. */
function distinct<T extends InTable>(all: readonly T[], nameOf: (one: T) => string): T[] {
  const keyOf = (one: T): string => JSON.stringify([one.schema, one.table, nameOf(one)])
  return [...new Map([...all].reverse().map((one) => [keyOf(one), one])).values()].reverse()
}
