import type { Query } from '../../key-store/store'
import type { ReplacedRow, replaceRows } from '../job/replace-rows'
import type { PageWritten } from '../job/table-task'
import { type ChangingTable, writtenColumns } from './changing-table'

const UNIQUE_VIOLATION = '23505'

/**
 * Writes a page of which a row that is not unique fails alone: the page is divided until that row is found,
 * in savepoints of the page's transaction, a few statements for each such row.
 */
export function writeApart(
  table: ChangingTable,
  replace: ReturnType<typeof replaceRows>,
): (query: Query, rows: readonly ReplacedRow[]) => Promise<Required<PageWritten>> {
  const write = async (
    query: Query,
    rows: readonly ReplacedRow[],
  ): Promise<Required<PageWritten>> => {
    const [first, ...others] = rows
    if (first === undefined) return { done: 0, left: [], failed: [] }
    const result = await inSavepoint(query, () => replace(query, rows))
    if (!('constraint' in result)) return { ...result, failed: [] }
    if (others.length === 0) {
      const column = refusedColumn(table, result.constraint)
      return { done: 0, left: [], failed: [{ key: first.key, column, code: 'ERR_NOT_UNIQUE' }] }
    }
    const half = Math.ceil(rows.length / 2)
    const a = await write(query, rows.slice(0, half))
    const b = await write(query, rows.slice(half))
    return {
      done: a.done + b.done,
      left: [...a.left, ...b.left],
      failed: [...a.failed, ...b.failed],
    }
  }
  return write
}

async function inSavepoint<T extends object>(
  query: Query,
  work: () => Promise<T>,
): Promise<T | { readonly constraint: string }> {
  await query('SAVEPOINT mortise_page', [])
  try {
    const result = await work()
    await query('RELEASE SAVEPOINT mortise_page', [])
    return result
  } catch (error) {
    const { code, detail } = error as { code?: unknown; detail?: unknown }
    if (code !== UNIQUE_VIOLATION) throw error
    await query('ROLLBACK TO SAVEPOINT mortise_page', [])
    return { constraint: String(detail) }
  }
}

/** The encrypted column whose tokens the database names, or the first that has any. */
function refusedColumn({ columns }: ChangingTable, detail: string): string {
  const hasToken = columns.filter((column) => writtenColumns(column).token !== null)
  const named = hasToken.find((column) => detail.includes(writtenColumns(column).token as string))
  return (named ?? hasToken[0] ?? columns[0])?.column ?? ''
}
