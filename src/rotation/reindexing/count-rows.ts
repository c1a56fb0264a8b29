import type { Query } from '../../key-store/store'
import { tablePath } from '../table-path'
import type { ChangingColumn, ChangingTable } from './changing-table'

/** Counts values of a table by a condition on each column: one pass over it in the database. */
export async function countRows(
  query: Query,
  table: ChangingTable,
  condition: (column: ChangingColumn) => string,
): Promise<number> {
  const counts = table.columns.map((column) => `count(*) FILTER (WHERE ${condition(column)})`)
  const sql = `SELECT (${counts.join(' + ')})::text AS total FROM ${tablePath(table)} AS r`
  const [row] = await query(sql, [])
  return Number(row?.total)
}
