import { MortiseError } from '../../errors'
import type { Query } from '../../key-store/store'
import { tablePath } from '../table-path'
import { type AdoptingColumn, type AdoptingTable, columnPair } from './adopting-table'

/** Whether a value in clear has no envelope, in a statement in which the row is `r`. */
export function isUnsealed(column: AdoptingColumn): string {
  const [plain, envelope] = columnPair(column)
  return `(${plain} IS NOT NULL AND ${envelope} IS NULL)`
}

/**
 * Refuses to go on where a value in clear has no envelope: by then it would be read as NULL, and emptied.
 * One pass over each table, which ends at the first such value.
 *
 * @throws ERR_ADOPTION (`retryable`) naming the property
 */
export async function refuseUnsealed(
  query: Query,
  tables: readonly AdoptingTable[],
): Promise<void> {
  for (const table of tables) {
    const held = table.columns.map(
      (column, i) => `coalesce(bool_or(${isUnsealed(column)}), false) AS h${i + 1}`,
    )
    const any = table.columns.map(isUnsealed).join(' OR ')
    const [row] = await query(
      `SELECT ${held.join(', ')} FROM (SELECT * FROM ${tablePath(table)} AS r WHERE ${any} LIMIT 1) AS r`,
      [],
    )
    const column = table.columns.find((_, i) => row?.[`h${i + 1}`] === true)
    if (column) throw unsealed(column)
  }
}

function unsealed({ field, adopted }: AdoptingColumn): MortiseError {
  return new MortiseError(
    'ERR_ADOPTION',
    `${field}: a value was written to ${adopted.place.plainColumn} without its envelope, by somebody whom ` +
      "the trigger of its adoption did not meet. Nothing was emptied: run adopt to 'verified' (again), after " +
      "'dual' and 'backfilled' where it is recorded as 'verified' already",
    { field, retryable: true },
  )
}
