import type { Window } from './candidate-page'
import type { RowKey } from './candidates'
import { primaryKeySql } from './compile-predicate'
import { canBeSure, flagParts, lossyPlaces, sureSql } from './condition'
import { type ExpressionMap, internalsOf, type RawRow, type SelectInternals } from './internals'
import {
  createPageReader,
  ExtraColumns,
  extraColumn,
  flagSql,
  type PageColumns,
  placeKey,
  selectedColumns,
} from './page-reader'
import { applyPlan, type OrderKey, type Plan } from './plan'
import type { Runtime } from './runtime'
import { type PageReader, standIn } from './select-state'
import type { SortKey } from './sort-rows'

/**
 * The page that a builder asks for, or undefined where one statement gives all rows. As TypeORM reads it:
 * `limit` and `offset` put `take` and `skip` out of force, and 0 is a number, but none beside joins.
 */
export function windowOf(builder: object, { order, sorted }: Plan): Window | undefined {
  const { skip, take, limit, offset, joinAttributes, lockMode } = internalsOf(builder).expressionMap
  const isOfRows = limit !== undefined || offset !== undefined
  const [first, count] = isOfRows ? [offset, limit] : [skip, take]
  // Plain keys are ranked by window functions, which PostgreSQL does not lock with.
  const locksRanks = lockMode !== undefined && sorted && order.some(({ place }) => !place)
  const isAll = joinAttributes.length > 0 ? !first && !count : first == null && count == null
  if (isAll) return locksRanks ? { skip: 0, take: undefined } : undefined
  return { skip: first ?? 0, take: count ?? undefined }
}

/** TypeORM's own way to load what a builder asks for. */
type Load<B, R> = (builder: B) => Promise<R>

/** TypeORM's own loading, with its rows opened and checked against their conditions. */
export function pageReading<B extends object, R>(
  builder: B,
  plan: Plan,
  runtime: Runtime,
  load: Load<B, R>,
): Promise<R> {
  const extras = new ExtraColumns()
  const columns = selectedColumns(builder, extras)
  const own = internalsOf(builder).expressionMap
  const map = extras.isEmpty ? own : cloneMap(own)
  extras.addTo(map)
  const reader = createPageReader({ runtime, plan, columns, extras, sort: [] })
  return withReader(builder, map, load, reader)
}

/** One statement for all rows: refined and sorted before hydration. */
export function singleStatement<B extends object, R>(
  builder: B,
  plan: Plan,
  runtime: Runtime,
  load: Load<B, R>,
): Promise<R> {
  const map = cloneMap(internalsOf(builder).expressionMap)
  applyPlan(map, plan)
  const extras = new ExtraColumns()
  const selected = selectedColumns(builder, extras)
  const columns = [...selected, ...missingColumns(builder, plan, selected, extras)]
  for (const part of flagParts(plan.condition)) extras.select(flagSql(part))
  const sort = sortKeys(plan.order, columns, extras)
  extras.addTo(map)
  orderPlainly(map, plan.order)
  const reader = createPageReader({ runtime, plan, columns, extras, sort })
  return withReader(builder, map, load, reader)
}

/**
 * The page of a query that asks for no order, of rows that match for certain: these come first, as in
 * `findPageKeys`. One statement, and no row is opened beyond the page.
 *
 * @returns undefined where they do not fill the page; nothing was opened or hydrated then
 */
export async function surePage<B extends object, R>(
  builder: B,
  plan: Plan,
  { take }: Window,
  runtime: Runtime,
  load: Load<B, R>,
): Promise<R | undefined> {
  const { expressionMap } = internalsOf(builder)
  const isOrdered = plan.order.length > 0 || expressionMap.joinAttributes.length > 0
  if (isOrdered || take === undefined || !canBeSure(plan.condition)) return undefined
  const map = cloneMap(expressionMap)
  applyPlan(map, { ...plan, wheres: [{ type: 'simple', condition: sureSql(plan.condition) }] })
  const extras = new ExtraColumns()
  const columns = selectedColumns(builder, extras)
  extras.addTo(map)
  map.orderBys = Object.fromEntries(primaryKeySql(internalsOf(builder)).map((key) => [key, 'ASC']))
  const sure = { ...plan, lossy: false }
  const reader = createPageReader({ runtime, plan: sure, columns, extras, sort: [] })
  let isFull = false
  const result = await withReader(builder, map, load, {
    async read(rows, queryRunner) {
      isFull = rows.length >= take
      return isFull ? reader.read(rows, queryRunner) : []
    },
  })
  return isFull ? result : undefined
}

/** The rows of one page by their primary keys, in the order of the keys. */
export function withinKeys<B extends object, R>(
  builder: B,
  plan: Plan,
  runtime: Runtime,
  keys: readonly RowKey[],
  load: Load<B, R>,
): Promise<R> {
  const map = cloneMap(internalsOf(builder).expressionMap)
  applyPlan(map, plan)
  Object.assign(map, { skip: undefined, take: undefined, limit: undefined, offset: undefined })
  // A cached page could be older than the keys, and would lose rows.
  map.cache = false
  restrictToKeys(builder, map, keys)
  const extras = new ExtraColumns()
  const selected = selectedColumns(builder, extras)
  const columns = [...selected, ...missingColumns(builder, plan, selected, extras)]
  for (const part of flagParts(plan.condition)) extras.select(flagSql(part))
  extras.addTo(map)
  orderPlainly(map, plan.order)
  const reader = createPageReader({ runtime, plan, columns, extras, sort: [] })
  const ordered = inKeyOrder(builder, reader, keys)
  return withReader(builder, map, load, ordered)
}

/** TypeORM's own clone leaves these two behind, and rows without their keys are not told apart. */
export function cloneMap(map: ExpressionMap): ExpressionMap {
  const { queryEntity, options } = map
  return Object.assign(map.clone(), { queryEntity, options: [...options] })
}

function withReader<B extends object, R>(
  builder: B,
  expressionMap: ExpressionMap,
  load: Load<B, R>,
  reader: PageReader,
): Promise<R> {
  return load(standIn(builder, { expressionMap }, { reader, rendering: true }))
}

/** Columns that refinement or order needs and the caller did not select. */
function missingColumns(
  builder: object,
  { condition, order }: Plan,
  selected: PageColumns,
  extras: ExtraColumns,
): PageColumns {
  const known = new Set(selected.map(placeKey))
  const places = [...lossyPlaces(condition), ...order.flatMap(({ place }) => place ?? [])]
  return places.flatMap((place) => {
    if (known.has(placeKey(place))) return []
    known.add(placeKey(place))
    return [extraColumn(builder, place, extras)]
  })
}

/** Keys from the first to the last one that is encrypted or comes before such a one. */
function sortKeys(
  order: readonly OrderKey[],
  columns: PageColumns,
  extras: ExtraColumns,
): SortKey[] {
  const last = order.findLastIndex(({ place }) => place)
  const keys = new Map(columns.map((column) => [placeKey(column), column.key]))
  return order.slice(0, last + 1).map((key): SortKey => {
    const { place, descending, nullsFirst } = key
    if (place) {
      const type = place.column.field.type
      return { key: keys.get(placeKey(place)) as string, type, descending, nullsFirst }
    }
    const direction = `${descending ? 'DESC' : 'ASC'} NULLS ${nullsFirst ? 'FIRST' : 'LAST'}`
    const rank = extras.select(`dense_rank() OVER (ORDER BY ${key.sql} ${direction})`)
    return { key: rank, type: null, descending: false, nullsFirst: false }
  })
}

/** Leaves ORDER BY to the plain keys; the stable sort in memory puts the encrypted ones above them. */
function orderPlainly(map: ExpressionMap, order: readonly OrderKey[]): void {
  const plain = order.filter(({ place }) => !place).map(({ name }) => name)
  const all = map.allOrderBys
  map.orderBys = Object.fromEntries(plain.map((name) => [name, all[name] as never]))
  map.options = [...map.options, 'disable-global-order']
}

const KEYS_PARAMETER = 'mortise_keys'

function restrictToKeys(builder: object, map: ExpressionMap, keys: readonly RowKey[]): void {
  const columns = primaryKeySql(internalsOf(builder))
  const conditions = map.extraAppendedAndWhereCondition
    ? [`(${map.extraAppendedAndWhereCondition})`]
    : []
  if (columns.length === 1) {
    map.parameters[KEYS_PARAMETER] = keys.map(([key]) => key)
    conditions.push(`${columns[0]} = ANY(:${KEYS_PARAMETER})`)
  } else {
    const tuples = keys.map((key, row) => {
      const names = key.map((value, i) => {
        map.parameters[`${KEYS_PARAMETER}_${row}_${i}`] = value
        return `:${KEYS_PARAMETER}_${row}_${i}`
      })
      return `(${names.join(', ')})`
    })
    conditions.push(`(${columns.join(', ')}) IN (${tuples.join(', ')})`)
  }
  map.extraAppendedAndWhereCondition = conditions.join(' AND ')
}

/** Puts the rows of a page into the order in which its keys were found. */
function inKeyOrder(builder: object, reader: PageReader, keys: readonly RowKey[]): PageReader {
  const internals = builder as SelectInternals
  const main = internals.expressionMap.mainAlias as NonNullable<ExpressionMap['mainAlias']>
  const selects = internals.buildEscapedEntityColumnSelects(main.name, main.metadata)
  const names = primaryKeySql(internals).map(
    (sql) => selects.find(({ selection }) => selection === sql)?.aliasName as string,
  )
  const positions = new Map(keys.map((key, index) => [JSON.stringify(key), index]))
  const positionOf = (row: RawRow) =>
    positions.get(JSON.stringify(names.map((name) => row[name]))) ?? 0
  return {
    async read(rows, queryRunner) {
      const read = await reader.read(rows, queryRunner)
      return read.sort((a, b) => positionOf(a) - positionOf(b))
    },
  }
}
