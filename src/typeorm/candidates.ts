import type { QueryRunner } from 'typeorm'
import { columnSql } from './compile-predicate'
import { flagParts, lossyPlaces, matches, sureSql } from './condition'
import { type BuilderInternals, type ExpressionMap, internalsOf, type RawRow } from './internals'
import { openPage } from './open-page'
import {
  ExtraColumns,
  evidenceOf,
  extraColumn,
  flagSql,
  type PageColumns,
  refineLimit,
} from './page-reader'
import { applyPlan, type OrderKey, type Plan, toManyAliases } from './plan'
import { type Runtime, sessionOf } from './runtime'
import { stateOf } from './select-state'
import { type SortKey, sortRows } from './sort-rows'

/** The window of a page; `take` is undefined for "to the end". */
export interface Window {
  readonly skip: number
  readonly take: number | undefined
}

/** A statement over the candidate rows alone, without relation columns, and how to read it. */
interface CandidateQuery {
  readonly builder: BuilderInternals
  readonly plan: Plan
  readonly extras: ExtraColumns
  readonly columns: PageColumns
  /** Names of the primary key columns in the candidate rows. */
  readonly keys: readonly string[]
  readonly sure: string
  /** One main row may be several candidates: a to-many join takes part. */
  readonly multiplied: boolean
}

/** Primary key values of one row, in the order of the primary columns. */
export type RowKey = readonly unknown[]

/**
 * The primary keys of the rows on a page, in order.
 *
 * One statement, so one snapshot: it reads the buckets down to the one in which the page ends, and
 * window functions count how many rows surely match before each, so that buckets outside of the page
 * are neither sent nor opened.
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
  const [inner, parameters] = renderInner(query)
  const limit = window.take === undefined ? undefined : window.take + runtime.maxRefine
  const sql = windowSql(query, order, inner, window, limit)
  const rows = (await queryRunner.query(sql, parameters)) as RawRow[]
  if (limit !== undefined && rows.length > limit) throw refineLimit(plan, runtime.maxRefine)
  const kept = await refine(query, rows, runtime, queryRunner)
  const sorted = sortRows(kept, order.inMemory)
  return pageOf(query, sorted, window)
}

/**
 * How many rows match: SQL counts those that surely do, the others are opened.
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
  const [inner, parameters] = renderInner(query)
  const keys = query.keys.map((key) => `c."${key}"`).join(', ')
  const sameKey = query.keys.map((key) => `s."${key}" = c."${key}"`).join(' AND ')
  const counted = query.multiplied ? `DISTINCT (${keys})` : '*'
  const others = query.multiplied
    ? `AND NOT EXISTS (SELECT 1 FROM candidates s WHERE s."${query.sure}" AND ${sameKey})`
    : ''
  const sql =
    `WITH candidates AS MATERIALIZED (${inner}) SELECT t."mortise$count", c.* FROM ` +
    `(SELECT count(${counted}) FILTER (WHERE c."${query.sure}") AS "mortise$count" FROM candidates c) t ` +
    `LEFT JOIN candidates c ON NOT c."${query.sure}" ${others} LIMIT ${runtime.maxRefine + 1}`
  const rows = (await queryRunner.query(sql, parameters)) as RawRow[]
  if (rows.length > runtime.maxRefine) throw refineLimit(plan, runtime.maxRefine)
  const sure = Number(rows[0]?.mortise$count ?? 0)
  const unsure = rows.filter((row) => row[query.sure] === false)
  const kept = await refine(query, unsure, runtime, queryRunner)
  return sure + (query.multiplied ? distinctKeys(query, kept).length : kept.length)
}

/** The statement that finds candidates, before any window: what an index has to serve. */
export function candidateStatement(clone: object, plan: Plan): [string, unknown[]] {
  return renderInner(candidateQuery(clone, plan))
}

function candidateQuery(clone: object, plan: Plan): CandidateQuery {
  const builder = internalsOf(clone)
  const map = builder.expressionMap
  applyPlan(map, plan)
  const main = map.mainAlias as NonNullable<ExpressionMap['mainAlias']>
  const extras = new ExtraColumns()
  const keys = main.metadata.primaryColumns.map((column) =>
    extras.select(columnSql({ alias: main.name, builder }, column)),
  )
  const sure = extras.select(`(${sureSql(plan.condition)}) IS TRUE`)
  for (const part of flagParts(plan.condition)) extras.select(flagSql(part))
  const places = [...lossyPlaces(plan.condition), ...plan.order.flatMap(({ place }) => place ?? [])]
  const columns = places.map((place) => extraColumn(builder, place, extras))
  for (const { sql } of plan.order) extras.select(sql)
  dropUnusedJoins(builder, plan)
  const many = toManyAliases(map)
  const multiplied = map.joinAttributes.some(({ alias }) => many.has(alias.name))
  return { builder, plan, extras, columns: unique(columns), keys, sure, multiplied }
}

function unique(columns: PageColumns): PageColumns {
  return [...new Map(columns.map((column) => [column.key, column])).values()]
}

/** A LEFT JOIN that neither filters nor sorts does not change which main rows there are. */
function dropUnusedJoins(builder: BuilderInternals, plan: Plan): void {
  const map = builder.expressionMap
  const texts = [
    builder.createWhereConditionExpression(map.wheres),
    ...plan.order.map(({ name, sql }) => `${name} ${sql}`),
  ]
  const used = (alias: string) => texts.some((text) => text.includes(alias))
  let kept = map.joinAttributes.filter(
    ({ direction, alias }) => direction === 'INNER' || used(alias.name),
  )
  for (;;) {
    for (const join of kept) if (join.condition) texts.push(join.condition)
    const parents = new Set(kept.map(({ parentAlias }) => parentAlias))
    const more = map.joinAttributes.filter(
      (join) => kept.includes(join) || parents.has(join.alias.name) || used(join.alias.name),
    )
    if (more.length === kept.length) break
    kept = more
  }
  map.joinAttributes = kept
}

function renderInner({ builder, extras }: CandidateQuery): [string, unknown[]] {
  const map = builder.expressionMap
  map.selects = []
  extras.addTo(map)
  Object.assign(map, {
    orderBys: {},
    options: ['disable-global-order'],
    skip: undefined,
    take: undefined,
    limit: undefined,
    offset: undefined,
    lockMode: undefined,
    relationIdAttributes: [],
    queryEntity: false,
  })
  stateOf(builder).rendering = true
  return builder.getQueryAndParameters()
}

/** How the candidates are ordered: by SQL down to the first bucket, then in memory, then by SQL. */
interface CandidateOrder {
  /** The SQL terms whose peers form a group: all that SQL can decide before a value must be opened. */
  readonly group: string
  /** The remaining SQL terms, within a group. */
  readonly within: string
  /** Ranks of plain keys that stand between two encrypted ones. */
  readonly ranks: readonly string[]
  readonly inMemory: readonly SortKey[]
}

const GROUP = 'mortise$group'

function orderOf({ plan, extras, keys, builder }: CandidateQuery): CandidateOrder {
  const terms = plan.order.map((key) => term(extras.nameOf(key.sql) as string, key))
  const primary = keys.map((key) => `"${key}"`)
  const first = plan.order.findIndex(({ place }) => place)
  if (first < 0)
    return { group: [...terms, ...primary].join(', '), within: '', ranks: [], inMemory: [] }
  const last = plan.order.findLastIndex(({ place }) => place)
  const ranks: string[] = []
  const inMemory = plan.order.slice(first, last + 1).map((key, index): SortKey => {
    const { place, descending, nullsFirst } = key
    if (place) {
      const sql = columnSql({ alias: place.alias, builder }, place.column.main)
      const type = place.column.field.type
      return { key: extras.nameOf(sql) as string, type, descending, nullsFirst }
    }
    const name = `mortise$rank${index}`
    ranks.push(`dense_rank() OVER (ORDER BY ${terms[first + index]}) AS "${name}"`)
    return { key: name, type: null, descending: false, nullsFirst: false }
  })
  const plain = plan.order.flatMap((key, index) => (key.place ? [] : [terms[index] as string]))
  return {
    group: terms.slice(0, first + 1).join(', '),
    within: [...plain, ...primary].join(', '),
    ranks,
    inMemory: [{ key: GROUP, type: null, descending: false, nullsFirst: false }, ...inMemory],
  }
}

/** One term of ORDER BY over a named column. */
function term(name: string, { descending, nullsFirst }: OrderKey): string {
  return `"${name}" ${descending ? 'DESC' : 'ASC'} NULLS ${nullsFirst ? 'FIRST' : 'LAST'}`
}

function windowSql(
  query: CandidateQuery,
  order: CandidateOrder,
  inner: string,
  { skip, take }: Window,
  limit: number | undefined,
): string {
  const { group, within, ranks } = order
  const counts = [
    `dense_rank() OVER (ORDER BY ${group}) AS "${GROUP}"`,
    `count(*) FILTER (WHERE "${query.sure}") OVER (ORDER BY ${group} ` +
      'GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "mortise$before"',
    `count(*) OVER (ORDER BY ${group}) AS "mortise$upto"`,
    ...ranks,
  ]
  // Several candidates of one main row make the counts too high: then every candidate is read.
  const conditions = query.multiplied
    ? []
    : [
        `("mortise$upto" > ${skip} OR NOT "${query.sure}")`,
        ...(take === undefined ? [] : [`"mortise$before" < ${skip + take}`]),
      ]
  const read = take === undefined ? `(${inner})` : firstGroups(query, group, inner, skip + take)
  const isLimited = limit !== undefined && !query.multiplied
  // More rows than these are too many, whichever they are: at most `skip` of them come before the page.
  const some = isLimited ? `(SELECT * FROM ${read} r LIMIT ${skip + limit + 1})` : read
  return (
    `SELECT * FROM (SELECT c.*, ${counts.join(', ')} FROM ${some} c) w ` +
    (conditions.length > 0 ? `WHERE ${conditions.join(' AND ')} ` : '') +
    `ORDER BY "${GROUP}"${within === '' ? '' : `, ${within}`}` +
    (isLimited ? ` LIMIT ${limit + 1}` : '')
  )
}

/**
 * The candidates down to the end of the group in which the page ends: read in the order of the bucket's
 * index and no further, so that a page costs its rows, those before it and one bucket, however large the
 * table is. Candidates that may fall away are read beyond the count.
 */
function firstGroups(query: CandidateQuery, group: string, inner: string, rows: number): string {
  if (query.multiplied) return `(${inner})`
  const unsure = query.plan.lossy
    ? ` + (SELECT count(*) FROM (${inner}) u WHERE NOT u."${query.sure}")`
    : ''
  return `(SELECT * FROM (${inner}) f ORDER BY ${group} FETCH FIRST (${rows}${unsure}) ROWS WITH TIES)`
}

async function refine(
  query: CandidateQuery,
  rows: RawRow[],
  runtime: Runtime,
  queryRunner: QueryRunner,
): Promise<RawRow[]> {
  const { plan, columns, extras } = query
  await openPage(runtime, rows, columns, sessionOf(queryRunner))
  const evidence = evidenceOf(columns, plan, extras)
  return rows.filter((row) => row[query.sure] === true || matches(plan.condition, evidence(row)))
}

function pageOf(query: CandidateQuery, rows: readonly RawRow[], { skip, take }: Window): RowKey[] {
  if (query.multiplied) {
    const keys = distinctKeys(query, rows)
    return keys.slice(skip, take === undefined ? undefined : skip + take)
  }
  const first = rows.findIndex((row) => Number(row.mortise$upto) > skip)
  if (first < 0) return []
  // Matching rows before the first group of the page: the sure ones SQL counted, and those opened.
  const opened = rows.slice(0, first).length
  const start = skip - Number(rows[first]?.mortise$before) - opened
  const page = rows.slice(first + start, take === undefined ? undefined : first + start + take)
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
