import type { Query } from '../../key-store/store'
import { countTask } from '../job/count-task'
import { keyColumns } from '../job/key-columns'
import { type ReplacedColumn, replaceRows } from '../job/replace-rows'
import type { TableTask } from '../job/table-task'
import { type AdoptingColumn, type AdoptingTable, columnPair } from './adopting-table'

/**
 * Empties the former columns, and reads nothing of them. All of them: what was verified has an envelope, and
 * where that is NULL by now, the application has set the property to null.
 */
export async function emptyTask(query: Query, table: AdoptingTable): Promise<TableTask> {
  const { columns } = table
  const keys = await keyColumns(query, table)
  const replace = replaceRows(table, keys, columns.map(emptiedColumn))
  const filled = columns.map(isFilled)
  return {
    table,
    keys,
    source: {
      select: filled.map((sql, i) => `(${sql}) AS n${i + 1}`),
      joins: '',
      where: filled.join(' OR '),
      parameters: [],
    },
    count: () =>
      countTask(query, table, {
        total: isFilled,
        current: (column) => {
          const [plain, envelope] = columnPair(column)
          return `${plain} IS NULL AND ${envelope} IS NOT NULL`
        },
      }),
    work: async (rows) => {
      const marked = rows.map(({ key, values }) => ({
        key,
        parameters: columns.map((_, i) => (values[`n${i + 1}`] === true ? '1' : null)),
      }))
      const values = marked.flatMap(({ parameters }) => parameters).filter((mark) => mark !== null)
      return { values: values.length, failed: [], write: (run) => replace(run, marked) }
    },
  }
}

function isFilled(column: AdoptingColumn): string {
  return `(${columnPair(column)[0]} IS NOT NULL)`
}

function emptiedColumn(column: AdoptingColumn, at: number): ReplacedColumn {
  const [plain] = columnPair(column)
  const wanted = `p.v${at + 1} IS NOT NULL`
  return {
    parameters: [{ name: `v${at + 1}`, type: 'text' }],
    wanted,
    unchanged: wanted,
    assign: { [column.adopted.place.plainColumn]: 'NULL' },
    written: `${wanted} AND ${plain} IS NULL`,
  }
}
