import type { Query } from '../../key-store/store'
import type { KeyAccess } from '../../keys/access'
import { countTask } from '../job/count-task'
import { keyColumns } from '../job/key-columns'
import type { TableTask } from '../job/table-task'
import { type AdoptingTable, cellOf, columnPair, rowsWhere } from './adopting-table'
import { plainValues } from './plain-values'
import { sealValues } from './seal-values'
import { isUnsealed } from './unsealed-values'
import { writeValues, writtenValue } from './write-values'

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
      countTask(query, table, {
        total: isUnsealed,
        current: (column) => `${columnPair(column)[1]} IS NOT NULL`,
      }),
    work: async (rows) => {
      const plain = plainValues(columns, rows, (row, at) => cellOf(row, 'e', at) === null)
      const { sealed, failed } = await sealValues(access, plain.values)
      return {
        values: sealed.length,
        failed: [...plain.failed, ...failed],
        write: (run) => write(run, sealed.map(writtenValue)),
      }
    },
  }
}
