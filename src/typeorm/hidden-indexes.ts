import type { EntityMetadata } from 'typeorm'
import type { EncryptedColumn } from './encrypted-column'
import { type ColumnMetadata, dataSourceOfMetadata } from './internals'

type IndexMetadata = EntityMetadata['indices'][number]

/**
 * Gives every token and bucket column its SQL index, before the schema is compared. Done here and not
 * where columns are declared, because the columns of an EntitySchema cannot declare one.
 *
 * A column that the application indexes by itself, or that is unique, has its index already.
 */
export function indexHiddenColumns(
  metadata: EntityMetadata,
  columns: readonly EncryptedColumn[],
): void {
  for (const { hidden } of columns) {
    for (const column of hidden) {
      if (isIndexed(metadata, column)) continue
      const index = indexOn(metadata, column)
      metadata.ownIndices.push(index)
      if (metadata.indices !== metadata.ownIndices) metadata.indices.push(index)
    }
  }
}

function isIndexed({ indices, uniques }: EntityMetadata, column: ColumnMetadata): boolean {
  return [...indices, ...uniques].some(
    ({ columns: [first, ...others] }) => first === column && others.length === 0,
  )
}

/** TypeORM exports the class from no public path; what its schema builder reads is this. */
function indexOn(metadata: EntityMetadata, column: ColumnMetadata): IndexMetadata {
  const { namingStrategy } = dataSourceOfMetadata(metadata)
  return {
    entityMetadata: metadata,
    isUnique: false,
    isSpatial: false,
    isFulltext: false,
    isNullFiltered: false,
    synchronize: true,
    target: metadata.target,
    columns: [column],
    name: namingStrategy.indexName(metadata.tableName, [column.databaseName]),
    columnNamesWithOrderingMap: { [column.databasePath]: 1 },
    build() {
      return this
    },
  }
}
