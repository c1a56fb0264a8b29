import type { Query } from '../../key-store/store'
import type { EncryptedTable } from '../../schema'
import { quote, tablePath } from '../table-path'
import type { KeyColumn } from './key-columns'
import { type PageParameter, type ParameterRow, pageParameters } from './page-parameters'
import { SAVEPOINT } from './page-savepoint'
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

/** SQLSTATE of a lock that was waited for as long as `lock_timeout` allows. */
const LOCK_NOT_AVAILABLE = '55P03'
/** Milliseconds; far below the `deadlock_timeout` after which PostgreSQL ends somebody's transaction. */
const MAX_WAIT_MS = 10
/** Where the application has locked a row, it works on others near to it. */
const PAGES_PASSING_BY = 100

/**
 * Writes the statements that replace values of a page with a bounded number of parameters. A value that
 * is not the one that was read belongs to a later writer and stays.
 *
 * The application never waits in a deadlock for them. The first waits for a moment where somebody else
 * has locked a row, and is taken back then; for that page and some that follow, the second passes such
 * rows by. It is not the only one because it locks each row apart from changing it: a third more work
 * for the server, and 60 % more of its log.
 *
 * To be called where {@link SAVEPOINT} was set and nothing has been written since.
 */
export function replaceRows(
  table: EncryptedTable,
  keys: readonly KeyColumn[],
  columns: readonly ReplacedColumn[],
): (query: Query, rows: readonly ParameterRow[]) => Promise<PageWritten> {
  const parameters = columns.flatMap((column) => column.parameters)
  const page = pageParameters(keys.length, parameters)
  const replacing = { path: tablePath(table), keys, columns, page: page.sql }
  const [waiting, passingBy] = [replaceWaiting(replacing), replacePassingBy(replacing)]
  let pagesPassingBy = 0
  return async (query, rows) => {
    if (rows.length === 0) return { done: 0, left: [] }
    const values = page.values(rows)
    if (pagesPassingBy > 0) {
      pagesPassingBy--
      return pageWritten(await query(passingBy, values))
    }
    try {
      return pageWritten(await query(waiting, values))
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code !== LOCK_NOT_AVAILABLE) throw error
      pagesPassingBy = PAGES_PASSING_BY
      await query(`ROLLBACK TO ${SAVEPOINT}`, [])
      return pageWritten(await query(passingBy, values))
    }
  }
}

/** What the statements of a page are made of. */
interface Replacing {
  readonly path: string
  readonly keys: readonly KeyColumn[]
  readonly columns: readonly ReplacedColumn[]
  /** A SELECT of its rows. */
  readonly page: string
}

function replaceWaiting(replacing: Replacing): string {
  const { keys, page } = replacing
  return `WITH page_wait AS MATERIALIZED (
      SELECT current_setting('lock_timeout') AS former,
        set_config('lock_timeout', '${MAX_WAIT_MS}ms', true)
    ), page AS (${page}, page_wait
    ), ${changedRows(replacing, 'page', withinPage(keys))},
      set_config('lock_timeout', page_wait.former, true) FROM counted, page_wait`
}

/**
 * Rows are locked in the order of their key, and those that somebody else has locked are passed by. A row
 * that was locked is found again by its place.
 */
function replacePassingBy(replacing: Replacing): string {
  const { path, keys, page } = replacing
  return `WITH page AS (${page}
    ), locked AS (
      SELECT p.*, r.ctid AS place FROM page p JOIN ${path} r ON ${sameRow(keys)}
      WHERE ${withinPage(keys)} ORDER BY ${storedKey(keys)} FOR NO KEY UPDATE OF r SKIP LOCKED
    ), ${changedRows(replacing, 'locked', 'r.ctid = p.place')} FROM counted`
}

/** Changes rows, counts what was done, and lists what was not where there is anything. */
function changedRows(
  { path, keys, columns }: Replacing,
  source: 'page' | 'locked',
  place: string,
): string {
  const k = keys.map((_, i) => `k${i + 1}`)
  const own = k.map((name) => `p.${name}`).join(', ')
  const wanted = sum(columns.map((column) => column.wanted))
  const written = sum(columns.map((column) => column.written))
  const unchanged = columns.map((column) => column.unchanged).join(' OR ')
  return `changed AS (
      UPDATE ${path} r SET ${assignments(columns)}
      FROM ${source} p WHERE ${place} AND ${sameRow(keys)} AND (${unchanged})
      RETURNING ${own}, ${written} AS done
    ), counted AS (
      SELECT (SELECT coalesce(sum(done), 0) FROM changed) AS done,
        (SELECT sum(${wanted}) FROM page p) AS wanted
    ) SELECT done::text AS done, CASE WHEN done < wanted THEN (
        SELECT json_agg(json_build_array(json_build_array(${own}), ${wanted} - coalesce(c.done, 0)))::text
        FROM page p LEFT JOIN changed c ON ${k.map((name) => `c.${name} = p.${name}`).join(' AND ')}
        WHERE coalesce(c.done, 0) < ${wanted}
      ) END AS left_rows`
}

/** Whether a row is the one that its parameters are for; SQL over `r` and `p`. */
export function sameRow(keys: readonly KeyColumn[]): string {
  return keys.map(({ name, type }, i) => `r.${name} = p.k${i + 1}::${type}`).join(' AND ')
}

function storedKey(keys: readonly KeyColumn[]): string {
  return keys.map(({ name }) => `r.${name}`).join(', ')
}

/**
 * Whether a row can be one of `page`, a query of parameters in whatever order. Without these bounds PostgreSQL
 * reads all of a small table for each page, because it cannot know how close together the keys are.
 */
export function withinPage(keys: readonly KeyColumn[]): string {
  const stored = `(${storedKey(keys)})`
  return `${stored} >= (${endOfPage(keys, '')}) AND ${stored} <= (${endOfPage(keys, 'DESC')})`
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

function endOfPage(keys: readonly KeyColumn[], direction: '' | 'DESC'): string {
  const typed = keys.map(({ type }, i) => `k${i + 1}::${type}`)
  const order = typed.map((key) => `${key} ${direction}`)
  return `SELECT ${typed.join(', ')} FROM page ORDER BY ${order.join(', ')} LIMIT 1`
}

function sum(conditions: readonly string[]): string {
  return conditions.map((condition) => `CASE WHEN ${condition} THEN 1 ELSE 0 END`).join(' + ')
}

function pageWritten([answer]: readonly Record<string, unknown>[]): PageWritten {
  return { done: Number(answer?.done), left: leftRows(answer?.left_rows) }
}

function leftRows(text: unknown): LeftRow[] {
  if (typeof text !== 'string') return []
  return (JSON.parse(text) as [string[], number][]).map(([key, amount]) => ({ key, amount }))
}
