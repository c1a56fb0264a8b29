import type { Query } from '../../key-store/store'
import type { EncryptedTable } from '../../schema'
import { quote, tablePath } from '../table-path'
import type { KeyColumn } from './key-columns'
import { type PageParameter, type ParameterRow, pageParameters } from './page-parameters'
import type { LeftRow, PageWritten } from './table-task'

/** How one encrypted column of a page is replaced; SQL over `r`, the row, and `p`, its parameters. */
export interface ReplacedColumn {
  /** What travels for each row. */
  readonly parameters: readonly PageParameter[]
  /** Whether the row has parameters for this column. */
  readonly wanted: string
  /** Whether what is stored is what was read. */
  readonly unchanged: string
  /** What the row gets where that holds, by column name. */
  readonly assign: Readonly<Record<string, string>>
  /** Whether the row, as it is then, holds what was to be written. */
  readonly written: string
}

/**
 * Writes the statement that replaces values of a page with a bounded number of parameters.
 *
 * Rows are locked in the order of their key, and those that somebody else has locked are passed by:
 * the application never waits in a deadlock for this statement. A value that is not the one that was
 * read belongs to a later writer and stays. A row that was locked is found again by its place.
 */
export function replaceRows(
  table: EncryptedTable,
  keys: readonly KeyColumn[],
  columns: readonly ReplacedColumn[],
): (query: Query, rows: readonly ParameterRow[]) => Promise<PageWritten> {
  const page = pageParameters(
    keys.length,
    columns.flatMap((column) => column.parameters),
  )
  const statement = replaceStatement(tablePath(table), keys, columns, page.sql)
  return async (query, rows) => {
    if (rows.length === 0) return { done: 0, left: [] }
    const [answer] = await query(statement, page.values(rows))
    return { done: Number(answer?.done), left: leftRows(answer?.left_rows) }
  }
}

function replaceStatement(
  path: string,
  keys: readonly KeyColumn[],
  columns: readonly ReplacedColumn[],
  page: string,
): string {
  const k = keys.map((_, i) => `k${i + 1}`)
  const sameRow = keys.map(({ name, type }, i) => `r.${name} = p.k${i + 1}::${type}`).join(' AND ')
  const names = keys.map(({ name }) => `r.${name}`).join(', ')
  const wanted = sum(columns.map((column) => column.wanted))
  const written = sum(columns.map((column) => column.written))
  const places = k.map((name) => `p.${name}`).join(', ')
  return `WITH page AS (${page}
    ), locked AS (
      SELECT p.*, r.ctid AS place FROM page p JOIN ${path} r ON ${sameRow}
      WHERE (${names}) >= (${endOfPage(keys, '')}) AND (${names}) <= (${endOfPage(keys, 'DESC')})
      ORDER BY ${names} FOR NO KEY UPDATE OF r SKIP LOCKED
    ), changed AS (
      UPDATE ${path} r SET ${assignments(columns)}
      FROM locked p WHERE r.ctid = p.place AND ${sameRow} AND (${columns.map(({ unchanged }) => unchanged).join(' OR ')})
      RETURNING ${places}, ${written} AS done
    ), counted AS (
      SELECT (SELECT coalesce(sum(done), 0) FROM changed) AS done,
        (SELECT sum(${wanted}) FROM page p) AS wanted
    ) SELECT done::text AS done, CASE WHEN done < wanted THEN (
        SELECT json_agg(json_build_array(json_build_array(${places}), ${wanted} - coalesce(c.done, 0)))::text
        FROM page p LEFT JOIN changed c ON ${k.map((name) => `c.${name} = p.${name}`).join(' AND ')}
        WHERE coalesce(c.done, 0) < ${wanted}
      ) END AS left_rows FROM counted`
}

/** A row may have kept some of its values only; one that stands alone was looked at already. */
function assignments(columns: readonly ReplacedColumn[]): string {
  const isAlone = columns.length === 1
  const assigned = columns.flatMap(({ unchanged, assign }) =>
    Object.entries(assign).map(([name, value]) => {
      const column = quote(name)
      const kept = isAlone ? value : `CASE WHEN ${unchanged} THEN ${value} ELSE r.${column} END`
      return `${column} = ${kept}`
    }),
  )
  return assigned.join(', ')
}

/**
 * The first or last key of `page`, whatever its order. Without these bounds PostgreSQL reads all of a small table for
 * each page, because it cannot know how close together the keys are.
 */
export function endOfPage(keys: readonly KeyColumn[], direction: '' | 'DESC'): string {
  const typed = keys.map(({ type }, i) => `k${i + 1}::${type}`)
  const order = typed.map((key) => `${key} ${direction}`)
  return `SELECT ${typed.join(', ')} FROM page ORDER BY ${order.join(', ')} LIMIT 1`
}

function sum(conditions: readonly string[]): string {
  return conditions.map((condition) => `CASE WHEN ${condition} THEN 1 ELSE 0 END`).join(' + ')
}

function leftRows(text: unknown): LeftRow[] {
  if (typeof text !== 'string') return []
  return (JSON.parse(text) as [string[], number][]).map(([key, amount]) => ({ key, amount }))
}
