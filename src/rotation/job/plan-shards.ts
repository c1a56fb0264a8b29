import type { Query } from '../../key-store/store'
import { tableLabel, tablePath } from '../table-path'
import type { RowKey } from './key-columns'
import type { KeyRange } from './page-statement'
import type { TableTask } from './table-task'

/** A range of keys of one table, which one worker at a time works through. */
export interface PlannedShard extends KeyRange {
  readonly table: string
}

/**
 * Divides a table into ranges of `rows` rows by their primary key: one pass over its index. Rows that
 * come later belong to the range that their key falls into.
 */
export async function planShards(
  query: Query,
  task: TableTask,
  rows: number,
): Promise<PlannedShard[]> {
  const { table, keys } = task
  const names = keys.map(({ name }) => `r.${name}`).join(', ')
  const own = keys.map(({ name }, i) => `r.${name} AS k${i + 1}`).join(', ')
  const texts = keys.map((_, i) => `s.k${i + 1}::text AS k${i + 1}`).join(', ')
  const bounds = await query(
    `SELECT ${texts} FROM (SELECT ${own}, row_number() OVER (ORDER BY ${names}) AS place
      FROM ${tablePath(table)} AS r) AS s WHERE s.place % $1::integer = 0 ORDER BY s.place`,
    [rows],
  )
  const ends: (RowKey | null)[] = bounds.map((row) => keys.map((_, i) => String(row[`k${i + 1}`])))
  ends.push(null)
  return ends.map((upTo, i) => ({ table: tableLabel(table), after: ends[i - 1] ?? null, upTo }))
}
