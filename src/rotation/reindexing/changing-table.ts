import type { ChangedColumns, EncryptedTable, EncryptedTableColumn } from '../../schema'

/** A column whose indexes are declared to change. */
export type ChangingColumn = EncryptedTableColumn & {
  readonly change: NonNullable<EncryptedTableColumn['change']>
}

/** A table of which only the columns that a job is for are named. */
export interface ChangingTable extends EncryptedTable {
  readonly columns: readonly ChangingColumn[]
}

/** The tables and columns whose indexes change and that a job is for. */
export function changingTables(
  tables: readonly EncryptedTable[],
  isFor: (column: ChangingColumn) => boolean,
): ChangingTable[] {
  return tables.flatMap((table) => {
    const columns = table.columns.filter(
      (column): column is ChangingColumn =>
        column.change !== null && isFor(column as ChangingColumn),
    )
    return columns.length === 0 ? [] : [{ ...table, columns }]
  })
}

/** Where the tokens and the buckets of the generation to come are written; null where none are. */
export function writtenColumns({ change: { exact, range } }: ChangingColumn): {
  readonly token: string | null
  readonly bucket: string | null
} {
  const written = (place: ChangedColumns | null) => place && (place.beside ?? place.own)
  return { token: written(exact), bucket: written(range) }
}

/** Pairs of an own column and the one beside it. */
export function pairedColumns({
  change: { exact, range },
}: ChangingColumn): { readonly own: string; readonly beside: string }[] {
  return [exact, range].flatMap((place) =>
    place?.beside ? [{ own: place.own, beside: place.beside }] : [],
  )
}
