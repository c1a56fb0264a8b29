import type { Query } from '../../key-store/store'
import type { TaskCount } from '../job/table-task'
import { tablePath } from '../table-path'
import type { AdoptingColumn, AdoptingTable } from './adopting-table'

/** Conditions on one column, in a statement in which the row is `r`. */
interface CountedValues {
  /** Values that a job has to deal with. */
  total(column: AdoptingColumn): string
  /** Values that are as the job would leave them. */
  current(column: AdoptingColumn): string
}

/** Counts the values of a table: one pass over it in the database. */
export async function countValues(
  query: Query,
  table: AdoptingTable,
  { total, current }: CountedValues,
): Promise<TaskCount> {
  const sum = (condition: (column: AdoptingColumn) => string): string =>
    table.columns.map((column) => `count(*) FILTER (WHERE ${condition(column)})`).join(' + ')
  const [row] = await query(
    `SELECT (${sum(total)})::text AS total, (${sum(current)})::text AS current FROM ${tablePath(table)} AS r`,
    [],
  )
  return { total: Number(row?.total), current: Number(row?.current) }
}
