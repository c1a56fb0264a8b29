import type { Query } from '../../key-store/store'
import { countTask } from '../job/count-task'
import { keyColumns } from '../job/key-columns'
import { type ReplacedColumn, replaceRows } from '../job/replace-rows'
import type { TableTask } from '../job/table-task'
import { quote, tablePath } from '../table-path'
import { type ChangingColumn, type ChangingTable, pairedColumns } from './changing-table'

/** What becomes of the columns beside. */
export type Move = 'copy' | 'empty'

/**
 * Copies the columns beside into a field's own, or empties them, in the database alone: no value is
 * opened, and no token leaves it.
 */
export async function moveTask(query: Query, table: ChangingTable, move: Move): Promise<TableTask> {
  const { columns } = table
  const keys = await keyColumns(query, table)
  const replace = replaceRows(
    table,
    keys,
    columns.map((column, at) => movedColumn(column, at, move)),
  )
  const due = columns.map((column) => isDue(column, move))
  return {
    table,
    keys,
    source: {
      select: due.map((sql, i) => `(${sql}) AS n${i + 1}`),
      joins: '',
      where: due.join(' OR '),
      parameters: [],
    },
    count: () =>
      countTask(query, table, {
        total: (column) => isDue(column, move),
        current: (column) => `NOT (${isDue(column, move)})`,
      }),
    work: async (rows) => {
      const marked = rows.map(({ key, values }) => ({
        key,
        parameters: columns.map((_, i) => (values[`n${i + 1}`] === true ? '1' : null)),
      }))
      const values = marked.flatMap(({ parameters }) => parameters.filter((mark) => mark !== null))
      return { values: values.length, failed: [], write: (run) => replace(run, marked) }
    },
  }
}

/** Whether a column beside holds anything. Ends at the first row, by the index of the column where it has one. */
export async function holdsBeside(query: Query, table: ChangingTable): Promise<boolean> {
  const held = table.columns.map((column) => {
    return `EXISTS (SELECT 1 FROM ${tablePath(table)} AS r WHERE ${isDue(column, 'empty')})`
  })
  const [row] = await query(`SELECT ${held.join(' OR ')} AS held`, [])
  return row?.held !== false
}

function isDue(column: ChangingColumn, move: Move): string {
  const conditions = pairedColumns(column).map(({ own, beside }) =>
    move === 'copy'
      ? `r.${quote(own)} IS DISTINCT FROM r.${quote(beside)}`
      : `r.${quote(beside)} IS NOT NULL`,
  )
  return conditions.length === 0 ? 'FALSE' : conditions.join(' OR ')
}

function movedColumn(column: ChangingColumn, at: number, move: Move): ReplacedColumn {
  const wanted = `p.n${at + 1} IS NOT NULL`
  const pairs = pairedColumns(column)
  return {
    parameters: [{ name: `n${at + 1}`, type: 'text' }],
    wanted,
    unchanged: wanted,
    assign: Object.fromEntries(
      pairs.map(({ own, beside }) =>
        move === 'copy' ? [own, `r.${quote(beside)}`] : [beside, 'NULL'],
      ),
    ),
    written: `${wanted} AND NOT (${isDue(column, move)})`,
  }
}
