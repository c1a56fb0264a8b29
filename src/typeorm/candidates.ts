import type { QueryRunner } from 'typeorm'
import { orderOf, pageSql, type Window } from './candidate-page'
import { type CandidateQuery, candidateQuery, renderStatement, SURE } from './candidate-query'
import { matches } from './condition'
import type { RawRow } from './internals'
import { openPage } from './open-page'
import { evidenceOf, refineLimit } from './page-reader'
import type { Plan } from './plan'
import { type Runtime, sessionOf } from './runtime'
import { sortRows } from './sort-rows'

/** Primary key values of one row, in the order of the primary columns. */
export type RowKey = readonly unknown[]

/**
 * The primary keys of the rows on a page, in order.
 *
 * One statement, so one snapshot. Where no order is asked for, the rows that are sure come before those
 * that must be opened, each in the order of the primary key: the same on every page.
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
  const query = candidateQuery(clone, plan)
  const order = orderOf(query)
  const limit = window.take === undefined ? undefined : window.take + runtime.maxRefine
  const [sql, parameters] = renderStatement(query, (sources) =>
    pageSql(query, order, sources, window, limit),
  )
  const rows = (await queryRunner.query(sql, parameters)) as RawRow[]
  if (limit !== undefined && rows.length > limit) throw refineLimit(plan, runtime.maxRefine)
  const kept = await refine(query, rows, runtime, queryRunner)
  return pageOf(query, sortRows(kept, order.inMemory), window)
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
  const query = candidateQuery(clone, { ...plan, order: [], sorted: false })
  const keys = query.keys.map((key) => `"${key}"`).join(', ')
  const sameKey = query.keys.map((key) => `s."${key}" = c."${key}"`).join(' AND ')
  const [counted, others] = query.multiplied
    ? [`DISTINCT ${keys}`, `WHERE NOT EXISTS (SELECT 1 FROM sure s WHERE ${sameKey})`]
    : ['1', '']
  const [sql, parameters] = renderStatement(query, ({ sure, undecided }) => {
    const opened = `SELECT * FROM (${undecided}) c ${sure ? others : ''} LIMIT ${runtime.maxRefine + 1}`
    return (
      (sure ? `WITH sure AS (SELECT ${counted} FROM (${sure}) s) ` : '') +
      `SELECT t."mortise$count", u.* ` +
      `FROM (SELECT ${sure ? '(SELECT count(*) FROM sure)' : '0'} AS "mortise$count") t ` +
      `LEFT JOIN (${opened}) u ON TRUE`
    )
  })
  const rows = (await queryRunner.query(sql, parameters)) as RawRow[]
  if (rows.length > runtime.maxRefine) throw refineLimit(plan, runtime.maxRefine)
  const sure = Number(rows[0]?.mortise$count)
  const undecided = rows.filter((row) => row[query.keys[0] as string] !== null)
  const kept = await refine(query, undecided, runtime, queryRunner)
  return sure + (query.multiplied ? distinctKeys(query, kept).length : kept.length)
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
