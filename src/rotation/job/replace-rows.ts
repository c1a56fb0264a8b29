import type { Query } from '../../key-store/store'
import type { EncryptedTable } from '../../schema'
import { quote, tablePath } from '../table-path'
import type { KeyColumn, RowKey } from './key-columns'
import type { LeftRow, PageWritten } from './table-task'

/** How one encrypted column of a page is replaced; SQL over `r`, the row, and `p`, its parameters. */
export interface ReplacedColumn {
  /** What travels for each row, as text: the parameter's name in `p`, and its cast. */
  readonly parameters: readonly { readonly name: string; cast(text: string): string }[]
  /** Whether the row has parameters for this column. */
  readonly wanted: string
  /** Whether what is stored is what was read. */
  readonly unchanged: string
  /** What the row gets where that holds, by column name. */
  readonly assign: Readonly<Record<string, string>>
  /** Whether the row, as it is then, holds what was to be written. */
  readonly written: string
}

/** A row of a page: its key, and the parameters of all its columns in order; null where it stays. */
export interface ReplacedRow {
  readonly key: RowKey
  readonly parameters: readonly (string | null)[]
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
): (query: Query, rows: readonly ReplacedRow[]) => Promise<PageWritten> {
  const statement = replaceStatement(tablePath(table), keys, columns)
  return async (query, rows) => {
    const [first] = rows
    if (first === undefined) return { done: 0, left: [] }
    const arrays = [
      ...keys.map((_, i) => rows.map(({ key }) => key[i])),
      ...first.parameters.map((_, i) => rows.map(({ parameters }) => parameters[i])),
    ]
    const [answer] = await query(statement, arrays)
    return { done: Number(answer?.done), left: leftRows(answer?.left_rows) }
  }
}

function replaceStatement(
  path: string,
  keys: readonly KeyColumn[],
  columns: readonly ReplacedColumn[],
): string {
  const k = keys.map((_, i) => `k${i + 1}`)
  const all = columns.flatMap(({ parameters }) => parameters)
  const given = [...k, ...all.map(({ name }) => name)]
  const casts = all.map(({ name, cast }) => `${cast(`u.${name}`)} AS ${name}`)
  const sameRow = keys.map(({ name, type }, i) => `r.${name} = p.k${i + 1}::${type}`).join(' AND ')
  const names = keys.map(({ name }) => `r.${name}`).join(', ')
  const assignments = columns.flatMap(({ unchanged, assign }) =>
    Object.entries(assign).map(([name, value]) => {
      const column = quote(name)
      return `${column} = CASE WHEN ${unchanged} THEN ${value} ELSE r.${column} END`
    }),
  )
  return `WITH page AS (
      SELECT ${[...k, ...casts].join(', ')}
        FROM unnest(${given.map((_, i) => `$${i + 1}::text[]`).join(', ')})
        AS u(${given.join(', ')})
    ), locked AS (
      SELECT p.*, r.ctid AS place FROM page p JOIN ${path} r ON ${sameRow}
      WHERE (${names}) >= (${endOfPage(keys, '')}) AND (${names}) <= (${endOfPage(keys, 'DESC')})
      ORDER BY ${names} FOR NO KEY UPDATE OF r SKIP LOCKED
    ), changed AS (
      UPDATE ${path} r SET ${assignments.join(', ')}
      FROM locked p WHERE r.ctid = p.place AND ${sameRow} AND (${columns.map(({ unchanged }) => unchanged).join(' OR ')})
      RETURNING ${k.map((name) => `p.${name}`).join(', ')}, ${sum(columns.map(({ written }) => written))} AS done
    ), answer AS (
      SELECT ${k.join(', ')}, max(done) AS done, max(wanted) AS wanted FROM (
        SELECT ${k.join(', ')}, 0 AS done, ${sum(columns.map(({ wanted }) => wanted))} AS wanted FROM page p
        UNION ALL SELECT ${k.join(', ')}, done, 0 FROM changed
      ) AS counted GROUP BY ${k.join(', ')}
    ) SELECT sum(done)::text AS done, (json_agg(json_build_array(json_build_array(${k.join(', ')}),
        wanted - done)) FILTER (WHERE done < wanted))::text AS left_rows FROM answer`
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
