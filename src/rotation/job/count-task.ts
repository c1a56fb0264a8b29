import type { Query } from '../../key-store/store'
import type { EncryptedTable, EncryptedTableColumn } from '../../schema'
import { tablePath } from '../table-path'
import type { TaskCount } from './table-task'

/** Conditions on one column, in a statement in which the row is `r`. */
interface CountedValues<Column> {
  /** Values that a job has to deal with. */
  total(column: Column): string
  /** Values that are as the job would leave them. */
  current(column: Column): string
}

/**
 * Counts the values of a table: one pass over it in the database.
 *
 * @param parameters - what the conditions name as `$1`, `$2`…
 */
export async function countTask<Column extends EncryptedTableColumn>(
  query: Query,
  table: Omit<EncryptedTable, 'columns'> & { readonly columns: readonly Column[] },
  { total, current }: CountedValues<Column>,
  parameters: readonly unknown[] = [],
): Promise<TaskCount> {
  const sum = (condition: (column: Column) => string): string =>
    table.columns.map((column) => `count(*) FILTER (WHERE ${condition(column)})`).join(' + ')
  const [row] = await query(
    `SELECT (${sum(total)})::text AS total, (${sum(current)})::text AS current FROM ${tablePath(table)} AS r`,
    parameters,
  )
  return { total: Number(row?.total), current: Number(row?.current) }
}
