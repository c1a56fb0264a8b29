import type { AdoptedPlace } from '../adoption/adopted-place'
import type { AdoptedColumn, EncryptedColumn } from './encrypted-column'
import { dataSourceOfMetadata } from './internals'

/** An encrypted column that is being moved from another one. */
export type AdoptingColumn = EncryptedColumn & { readonly adopted: AdoptedColumn }

/** The adopting ones among the columns, each physical column once. */
export function adoptingColumns(columns: readonly EncryptedColumn[]): AdoptingColumn[] {
  const byPlace = new Map<string, AdoptingColumn>()
  for (const column of columns) {
    if (!isAdopting(column)) continue
    const { tablePath } = column.main.entityMetadata
    const key = JSON.stringify([tablePath, column.adopted.column.databaseName])
    if (!byPlace.has(key)) byPlace.set(key, column)
  }
  return [...byPlace.values()]
}

/** The physical columns of an adoption. */
export function placeOf(column: AdoptingColumn): AdoptedPlace {
  const { main, hmac, lofi, subject, row, adopted } = column
  const { schema, tableName } = main.entityMetadata
  return {
    schema: schema ?? null,
    table: tableName,
    plainColumn: adopted.column.databaseName,
    envelopeColumn: main.databaseName,
    indexColumns: [hmac, lofi].flatMap((index) => (index ? [index.databaseName] : [])),
    ownerColumns: [subject, row].flatMap((owner) => (owner ? [owner.column.databaseName] : [])),
  }
}

/** Schema of the tables that mortise keeps beside the data; null for the search path. */
export function ownSchemaOf({ main }: EncryptedColumn): string | null {
  const { options } = dataSourceOfMetadata(main.entityMetadata)
  return (options as { schema?: string }).schema ?? null
}

function isAdopting(column: EncryptedColumn): column is AdoptingColumn {
  return column.adopted !== null && column.main.entityMetadata.tableType !== 'view'
}
