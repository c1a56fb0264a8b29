import type { Query } from '../../key-store/store'
import type { ParameterRow } from './page-parameters'
import { SAVEPOINT } from './page-savepoint'
import type { replaceRows } from './replace-rows'
import type { FailedValue, PageWritten } from './table-task'

/** SQLSTATE codes of what the database refuses because of one row; P0001 is RAISE of a trigger. */
const REFUSALS: Readonly<Record<Refusal, RegExp>> = { unique: /^23505$/, any: /^23|^P0001$/ }

type Refusal = 'unique' | 'any'

/** What becomes of a row that the database refuses. */
export interface RefusedRow {
  readonly failed: FailedValue
  /** The row without the value that was refused; null where nothing of it is left to write. */
  readonly rest: ParameterRow | null
}

/**
 * Writes a page of which a row that the database refuses fails alone: the page is divided until that row
 * is found, in savepoints of the page's transaction, a few statements for each such row.
 *
 * To be called where {@link SAVEPOINT} was set and nothing has been written since.
 *
 * @param refuse - is given a row, and the database's own words for what it violates
 * @param refusal - which refusals those are: that it is not unique, or any of a constraint or trigger
 */
export function writeApart(
  replace: ReturnType<typeof replaceRows>,
  refuse: (row: ParameterRow, detail: string) => RefusedRow,
  refusal: Refusal = 'unique',
): (query: Query, rows: readonly ParameterRow[]) => Promise<Required<PageWritten>> {
  const write = async (
    query: Query,
    rows: readonly ParameterRow[],
  ): Promise<Required<PageWritten>> => {
    const [first, ...others] = rows
    if (first === undefined) return { done: 0, left: [], failed: [] }
    const result = await unlessRefused(query, REFUSALS[refusal], () => replace(query, rows))
    if (!('violated' in result)) return { ...result, failed: [] }
    if (others.length === 0) {
      const { failed, rest } = refuse(first, result.violated)
      const written = await write(query, rest === null ? [] : [rest])
      return { ...written, failed: [failed, ...written.failed] }
    }
    const half = Math.ceil(rows.length / 2)
    const a = await write(query, rows.slice(0, half))
    await query(`RELEASE ${SAVEPOINT}; ${SAVEPOINT}`, [])
    const b = await write(query, rows.slice(half))
    return {
      done: a.done + b.done,
      left: [...a.left, ...b.left],
      failed: [...a.failed, ...b.failed],
    }
  }
  return write
}

async function unlessRefused<T extends object>(
  query: Query,
  refused: RegExp,
  work: () => Promise<T>,
): Promise<T | { readonly violated: string }> {
  try {
    return await work()
  } catch (error) {
    const { code, detail, constraint } = error as Record<string, unknown>
    if (!refused.test(String(code))) throw error
    await query(`ROLLBACK TO ${SAVEPOINT}`, [])
    return { violated: `${detail} ${constraint}` }
  }
}
