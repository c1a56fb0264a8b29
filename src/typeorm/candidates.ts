import type { QueryRunner } from 'typeorm'
import { nearPageSql, orderOf, pageSql, type Window } from './candidate-page'
import {
  type CandidateQuery,
  candidateQuery,
  SURE,
  sourcesOf,
  statementOf,
} from './candidate-query'
import { matches } from './condition'
import type { RawRow } from './internals'
import { openPage } from './open-page'
import { evidenceOf, refineLimit } from './page-reader'
import type { Plan } from './plan'
import { type Runtime, sessionOf } from './runtime'
import { sortRows } from './sort-rows'

/** Primary key values of one row, in the order of the primary columns. */
export type RowKey = readonly unknown[]

/** Rows that are opened at first, where a few of them are likely to be enough. */
const SOME = 100

/**
 * The primary keys of the rows on a page, in order. Where no order is asked for, the rows that are sure
 * come before those that must be opened, each in the order of the primary key: the same on every page.
 *
 * One statement, so one snapshot. How many rows at the end of a range match is not known before they are
 * opened. So the first statement reads about twice as many as the page has, and where too few of these
 * match a second one begins anew, and reads as far as the page can reach.
 *
 * @throws ERR_REFINE_LIMIT where more than `maxRefine` rows beyond the page would be opened
 */
export async function findPageKeys(
  clone: object,
  plan: Plan,
  window: Window,
  runtime: Runtime,
  queryRunner: QueryRunner,
): Promise<RowKey[]> {
  const { skip, take } = window
  const query = candidateQuery(clone, plan)
  const limit = take === undefined ? undefined : take + runtime.maxRefine
  const cut = { query, order: orderOf(query), sources: sourcesOf(query), window, limit }
  const keysOf = async (rows: RawRow[]) => {
    if (limit !== undefined && countedRows(query, rows) > limit) {
      throw refineLimit(plan, runtime.maxRefine)
    }
    const kept = await refine(query, rows, runtime, queryRunner)
    return pageOf(query, sortRows(kept, cut.order.inMemory), window)
  }
  if (plan.lossy && take !== undefined && !query.multiplied) {
    const { isAsked } = cut.order
    const enough = Math.max(2 * take, SOME)
    const sql = isAsked ? nearPageSql(cut, skip + enough) : pageSql(cut, enough)
    const rows = await send(query, sql, queryRunner)
    const keys = await keysOf(rows)
    const hasMore = isAsked ? rows[0]?.mortise$more === true : rows.length === enough
    if (keys.length === take || !hasMore) return keys
  }
  return keysOf(await send(query, pageSql(cut), queryRunner))
}

/** All rows are sent where a main row may be several of them: then only those count that are opened. */
function countedRows({ multiplied, sorting }: CandidateQuery, rows: readonly RawRow[]): number {
  const isOpened = !multiplied || sorting.length > 0
  return isOpened ? rows.length : rows.filter((row) => row[SURE] !== true).length
}

/**
 * How many rows match: SQL counts those that surely do, the others are opened. One statement, so one
 * snapshot of both.
 *
 * @throws ERR_REFINE_LIMIT where more than `maxRefine` rows would be opened
 */
export async function countMatches(
  clone: object,
  plan: Plan,
  runtime: Runtime,
  queryRunner: QueryRunner,
): Promise<number> {
  const { maxRefine } = runtime
  const query = candidateQuery(clone, unordered(plan))
  const { sure, undecided } = sourcesOf(query)
  const keys = query.keys.map((key) => `"${key}"`).join(', ')
  const sameKey = query.keys.map((key) => `s."${key}" = c."${key}"`).join(' AND ')
  const [counted, others] = query.multiplied
    ? [`DISTINCT ${keys}`, `WHERE NOT EXISTS (SELECT 1 FROM sure s WHERE ${sameKey})`]
    : ['1', '']
  const opened = `SELECT * FROM (${undecided}) c ${sure ? others : ''} LIMIT ${maxRefine + 1}`
  const sql =
    (sure ? `WITH sure AS (SELECT ${counted} FROM (${sure}) s) ` : '') +
    `SELECT t."mortise$count", u.* ` +
    `FROM (SELECT ${sure ? '(SELECT count(*) FROM sure)' : '0'} AS "mortise$count") t ` +
    `LEFT JOIN (${opened}) u ON TRUE`
  const rows = await send(query, sql, queryRunner)
  if (rows.length > maxRefine) throw refineLimit(plan, maxRefine)
  const kept = await refine(query, joined(query, rows), runtime, queryRunner)
  const found = query.multiplied ? distinctKeys(query, kept) : kept
  return Number(rows[0]?.mortise$count) + found.length
}

/**
 * Whether a row matches: one inside of a range is an answer; only where there is none, rows are opened,
 * {@link SOME} of them at first.
 *
 * @throws ERR_REFINE_LIMIT where more than `maxRefine` rows would be opened
 */
export async function hasMatch(
  clone: object,
  plan: Plan,
  runtime: Runtime,
  queryRunner: QueryRunner,
): Promise<boolean> {
  const { maxRefine } = runtime
  const query = candidateQuery(clone, unordered(plan))
  const { sure, undecided } = sourcesOf(query)
  for (const limit of [Math.min(SOME, maxRefine + 1), maxRefine + 1]) {
    const sql =
      `SELECT t."mortise$found", u.* ` +
      `FROM (SELECT ${sure ? `EXISTS (${sure})` : 'FALSE'} AS "mortise$found") t LEFT JOIN LATERAL ` +
      `(SELECT * FROM (${undecided}) c WHERE NOT t."mortise$found" LIMIT ${limit}) u ON TRUE`
    const rows = await send(query, sql, queryRunner)
    if (rows[0]?.mortise$found) return true
    if (rows.length > maxRefine) throw refineLimit(plan, maxRefine)
    const kept = await refine(query, joined(query, rows), runtime, queryRunner)
    if (kept.length > 0 || rows.length < limit) return kept.length > 0
  }
  return false
}

function unordered(plan: Plan): Plan {
  return { ...plan, order: [], sorted: false }
}

async function send(
  query: CandidateQuery,
  sql: string,
  queryRunner: QueryRunner,
): Promise<RawRow[]> {
  const [statement, parameters] = statementOf(query, sql)
  return queryRunner.query(statement, parameters)
}

/** The candidates in the answer to an outer join, which has a row where there is none as well. */
function joined({ keys: [key] }: CandidateQuery, rows: RawRow[]): RawRow[] {
  return rows.filter((row) => row[key as string] !== null)
}

/** Drops the rows that do not match, and opens what the others are sorted by. */
async function refine(
  { plan, deciding, sorting, extras }: CandidateQuery,
  rows: RawRow[],
  runtime: Runtime,
  queryRunner: QueryRunner,
): Promise<RawRow[]> {
  const session = sessionOf(queryRunner)
  const isSure = (row: RawRow) => row[SURE] === true
  await openPage(
    runtime,
    rows.filter((row) => !isSure(row)),
    deciding,
    session,
  )
  const evidence = evidenceOf(deciding, plan, extras)
  const kept = rows.filter((row) => isSure(row) || matches(plan.condition, evidence(row)))
  await openPage(runtime, kept, sorting, session)
  return kept
}

function pageOf(query: CandidateQuery, rows: readonly RawRow[], { skip, take }: Window): RowKey[] {
  if (query.multiplied) {
    const keys = distinctKeys(query, rows)
    return keys.slice(skip, take === undefined ? undefined : skip + take)
  }
  const first = rows.findIndex((row) => Number(row.mortise$upto) > skip)
  if (first < 0) return []
  // Matching rows before the first group of the page: the sure ones SQL counted, and those opened.
  const start = skip - Number(rows[first]?.mortise$before)
  const page = rows.slice(start, take === undefined ? undefined : start + take)
  return page.map((row) => query.keys.map((key) => row[key]))
}

function distinctKeys(query: CandidateQuery, rows: readonly RawRow[]): RowKey[] {
  const distinct = new Map<string, RowKey>()
  for (const row of rows) {
    const key = query.keys.map((name) => row[name])
    const text = JSON.stringify(key)
    if (!distinct.has(text)) distinct.set(text, key)
  }
  return [...distinct.values()]
}
