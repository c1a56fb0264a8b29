import type { Query } from '../../key-store/store'
import type { KeyAccess } from '../../keys/access'
import { keyColumns } from '../job/key-columns'
import type { SourceRow, TableTask } from '../job/table-task'
import { type AdoptingTable, cellOf, columnPair, rowsWhere } from './adopting-table'
import { countValues } from './count-values'
import { plainValues } from './plain-values'
import type { SealedValue } from './seal-values'
import { sealValues } from './seal-values'
import { isUnsealed } from './unsealed-values'
import { type WrittenRow, writeValues } from './write-values'

/** Seals every value that has no envelope yet; a row is written once, whatever the number of its values. */
export async function backfillTask(
  query: Query,
  table: AdoptingTable,
  access: KeyAccess,
): Promise<TableTask> {
  const { columns } = table
  const keys = await keyColumns(query, table)
  const write = writeValues(table, keys)
  return {
    table,
    keys,
    source: rowsWhere(columns, isUnsealed),
    count: () =>
      countValues(query, table, {
        total: isUnsealed,
        current: (column) => `${columnPair(column)[1]} IS NOT NULL`,
      }),
    work: async (rows) => {
      const plain = plainValues(columns, rows, (row, at) => cellOf(row, 'e', at) === null)
      const { sealed, failed } = await sealValues(access, plain.values)
      return {
        values: sealed.length,
        failed: [...plain.failed, ...failed],
        write: (run) => write(run, byRow(sealed)),
      }
    },
  }
}

/** What each row of a page gets. */
export function byRow(values: readonly SealedValue[]): WrittenRow[] {
  const rows = new Map<SourceRow, Map<number, SealedValue>>()
  for (const value of values) {
    const of = rows.get(value.row) ?? new Map()
    rows.set(value.row, of.set(value.at, value))
  }
  return [...rows].map(([row, of]) => ({ row, values: of }))
}
