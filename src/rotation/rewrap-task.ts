import { rewrapKeyBlocks } from '../envelope/rewrap-many'
import type { Query } from '../key-store/store'
import type { EncryptedTable, EncryptedTableColumn } from '../schema'
import { countKeys } from './count-keys'
import { keyColumns } from './job/key-columns'
import { refusedValues } from './job/refused-values'
import { replaceRows } from './job/replace-rows'
import type { TableTask, TaskCount } from './job/table-task'
import { writeApart } from './job/write-apart'
import type { RewrapKeys } from './rewrap-keys'
import { headsOf, requestOf, rewrappedPage } from './rewrap-page'
import { replacedHead, staleHeads } from './rewrap-statements'

/**
 * Rewraps the columns of one table together: a row is written once, whatever the number of its fields.
 *
 * @throws ERR_CONFIG where the table or a column of its primary key does not exist
 */
export async function rewrapTask(
  query: Query,
  table: EncryptedTable,
  keys: RewrapKeys,
): Promise<TableTask> {
  const primaryKey = await keyColumns(query, table)
  const replaced = table.columns.map(replacedHead)
  const replace = replaceRows(table, primaryKey, replaced)
  const writePage = writeApart(replace, refusedValues(table, replaced), 'any')
  return {
    table,
    keys: primaryKey,
    source: staleHeads(table, keys.targetId),
    count: () => countStale(query, table, keys),
    work: async (rows) => {
      const heads = headsOf(rows, table.columns.length)
      const pageKeys = await keys.forPage(requestOf(heads))
      const blocks = await rewrapKeyBlocks(heads, pageKeys)
      const { rows: rewrapped, values, failed } = rewrappedPage(rows, heads, blocks)
      return {
        values,
        failed: failed.map(({ key, column, code }) => {
          return { key, column: (table.columns[column] as EncryptedTableColumn).column, code }
        }),
        write: (run) => writePage(run, rewrapped),
      }
    },
  }
}

async function countStale(
  query: Query,
  table: EncryptedTable,
  keys: RewrapKeys,
): Promise<TaskCount> {
  let total = 0
  let current = 0
  for (const { keyId, subject, count } of await countKeys(query, table)) {
    if (subject || (keyId !== null && keys.isCurrent(keyId))) current += count
    else total += count
  }
  return { total, current }
}
