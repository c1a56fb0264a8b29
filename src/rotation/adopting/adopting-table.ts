import type { AdoptedTableColumn, EncryptedTable, EncryptedTableColumn } from '../../schema'
import type { RowSource, SourceRow } from '../job/table-task'
import { openedColumns } from '../open-rows'
import { quote } from '../table-path'

/** A column that is being adopted. */
export type AdoptingColumn = EncryptedTableColumn & { readonly adopted: AdoptedTableColumn }

/** A table of which only the columns that a job adopts are named. */
export interface AdoptingTable extends EncryptedTable {
  readonly columns: readonly AdoptingColumn[]
}

/** The tables and columns among `tables` that are being adopted and that a job is for. */
export function adoptingTables(
  tables: readonly EncryptedTable[],
  isFor: (column: AdoptingColumn) => boolean,
): AdoptingTable[] {
  return tables.flatMap((table) => {
    const columns = table.columns.filter(
      (column): column is AdoptingColumn =>
        column.adopted !== null && isFor(column as AdoptingColumn),
    )
    return columns.length === 0 ? [] : [{ ...table, columns }]
  })
}

/** Both columns of an adoption in a statement in which the row is `r`. */
export function columnPair({ column, adopted }: AdoptingColumn): [plain: string, envelope: string] {
  return [`r.${quote(adopted.place.plainColumn)}`, `r.${quote(column)}`]
}

/** PostgreSQL tells the size of a stored value at once, compressed where it is; text is rarely less than this. */
const COMPRESSED = 4

/**
 * What a page reads of rows in which one of the conditions holds. Beside {@link openedColumns}, whose names
 * are used here too: `a1`… the values in clear, as the driver reads them, `h1`… whether they are not NULL,
 * which the driver does not tell from the null of JSON, and `x`, the version of the row.
 */
export function rowsWhere(
  columns: readonly AdoptingColumn[],
  conditionOf: (column: AdoptingColumn) => string,
): RowSource {
  const plain = columns.flatMap((column, i) => {
    const [value] = columnPair(column)
    return [`${value} AS a${i + 1}`, `(${value} IS NOT NULL) AS h${i + 1}`]
  })
  const sizes = columns
    .flatMap(columnPair)
    .map((value) => `${COMPRESSED} * coalesce(pg_column_size(${value}), 0)`)
  return {
    select: ['r.xmin::text AS x', ...plain, ...openedColumns(columns)],
    joins: '',
    where: columns.map(conditionOf).join(' OR '),
    bytes: sizes.join(' + '),
    parameters: [],
  }
}

/** The version of a row that was read: any later write of it gives it another one. */
export function versionOf(row: SourceRow): string {
  return String(row.values.x)
}

/** What a row shows of a column: `a` in clear, `e` its envelope, `s` its subject, `o` its primary key. */
export function cellOf(row: SourceRow, letter: 'a' | 's' | 'o' | 'e', column: number): unknown {
  return row.values[`${letter}${column + 1}`] ?? null
}

/** Whether a row has a value in clear. */
export function holdsValue(row: SourceRow, column: number): boolean {
  return row.values[`h${column + 1}`] === true
}
