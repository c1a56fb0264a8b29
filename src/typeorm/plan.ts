import { askedColumn } from './asked-column'
import { columnSql } from './compile-predicate'
import {
  ALWAYS,
  type ColumnPlace,
  type Condition,
  isEmpty,
  isLossy,
  isPlain,
  join,
  lossyPlaces,
  negate,
  supersetSql,
  TRUE,
  upToDate,
} from './condition'
import { encryptedColumnOf, encryptedColumnsOf } from './encrypted-column'
import {
  type BuilderInternals,
  dataSourceOf,
  type ExpressionMap,
  internalsOf,
  type JoinAttribute,
  type OrderValue,
  type WhereClause,
  type WhereCondition,
} from './internals'
import { refuseQuery } from './predicate'
import { stateOf } from './select-state'
import { freshParameterName } from './sql/parameters'
import { textAlternatives } from './text-condition'

/** One key of ORDER BY. */
export interface OrderKey {
  /** As TypeORM keeps it: `alias.property`, or SQL text. */
  readonly name: string
  /** SQL to sort by: the column itself, or the bucket of an encrypted one. */
  readonly sql: string
  /** Set for an encrypted property, whose opened value decides within a bucket. */
  readonly place: ColumnPlace | undefined
  readonly descending: boolean
  readonly nullsFirst: boolean
}

/** What a SELECT asks, as far as encrypted properties matter. */
export interface Plan {
  readonly condition: Condition
  readonly order: readonly OrderKey[]
  /** WHERE in the place of the builder's own, which TypeORM would not render as it is meant. */
  readonly wheres: WhereClause[] | undefined
  /** Conditions in ON that need opened rows, by alias: they are a part of `condition` as well. */
  readonly joins: ReadonlyMap<string, Condition>
  /** Rows must be opened to know that they match. */
  readonly lossy: boolean
  /** Rows must be opened to put them in order. */
  readonly sorted: boolean
  /** A part was compiled again, so that the builder's own text of it is out of date. */
  readonly moved: boolean
}

/** Whether an entity of the query has encrypted properties. */
export function readsEncrypted(builder: object): boolean {
  return internalsOf(builder).expressionMap.aliases.some(
    (alias) => alias.hasMetadata && encryptedColumnsOf(alias.metadata).length > 0,
  )
}

/**
 * Reads the builder's conditions and order.
 *
 * @throws ERR_QUERY_UNSUPPORTED naming the property and the fix
 */
export function planOf(builder: object): Plan {
  const map = internalsOf(builder).expressionMap
  const where: WhereReading = { builder, isRewritten: false, isMoved: false }
  const joins = joinConditions(builder, map.joinAttributes)
  const condition = join('and', [conditionOf(where, map.wheres), ...joins.values()])
  const order = Object.entries(map.allOrderBys).map(([name, value]) =>
    orderKey(builder, name, value),
  )
  const plan: Plan = {
    condition,
    order,
    wheres:
      where.isRewritten || where.isMoved || joins.size > 0
        ? [{ type: 'simple', condition: supersetSql(condition) }]
        : undefined,
    joins,
    lossy: isLossy(condition),
    sorted: order.some(({ place }) => place !== undefined),
    moved: where.isMoved,
  }
  if (plan.lossy || plan.sorted) checkShape(map, plan)
  return plan
}

/** What is known while WHERE is read. */
interface WhereReading {
  readonly builder: object
  /** Set once a part was read that TypeORM must not render itself. */
  isRewritten: boolean
  /** Set once a part was compiled again. */
  isMoved: boolean
}

/** AND binds tighter than OR: a list of clauses is an OR of ANDs, and so is each text in it. */
function conditionOf(reading: WhereReading, rendered: WhereCondition): Condition {
  if (typeof rendered === 'string') return joinAlternatives(textOrKnown(reading, rendered))
  if (!Array.isArray(rendered)) return operatorCondition(reading, rendered)
  const alternatives: Condition[][] = [[]]
  for (const { type, condition } of rendered) {
    const [first = [], ...more] =
      typeof condition === 'string'
        ? textOrKnown(reading, condition)
        : [[sayingSomething(conditionOf(reading, condition))]]
    if (type === 'or') alternatives.push(first)
    else alternatives.at(-1)?.push(...first)
    alternatives.push(...more)
  }
  return joinAlternatives(alternatives)
}

/**
 * Conditions of inner joins that need opened rows. There ON says what WHERE would; a LEFT JOIN has rows
 * of its own where ON fails, which nothing but the database can make.
 */
function joinConditions(
  builder: object,
  joins: readonly JoinAttribute[],
): ReadonlyMap<string, Condition> {
  const outer = new Set<string>()
  const lossy = new Map<string, Condition>()
  for (const { direction, alias, parentAlias, condition } of joins) {
    if (direction === 'LEFT' || (parentAlias && outer.has(parentAlias))) outer.add(alias.name)
    if (outer.has(alias.name) || !condition) continue
    const read = joinAlternatives(textAlternatives(builder, condition))
    if (isLossy(read)) lossy.set(alias.name, read)
  }
  return lossy
}

/** Puts what a plan says of WHERE and ON into an expression map that mortise renders. */
export function applyPlan(map: ExpressionMap, { wheres, joins }: Plan): void {
  if (wheres) map.wheres = wheres
  for (const join of map.joinAttributes) {
    const condition = joins.get(join.alias.name)
    if (condition) join.condition = supersetSql(condition)
  }
}

/** Beside an OR a part without conditions makes all rows match. */
function sayingSomething(condition: Condition): Condition {
  return isEmpty(condition) ? TRUE : condition
}

function joinAlternatives(alternatives: readonly Condition[][]): Condition {
  return join(
    'or',
    alternatives.map((conditions) => join('and', conditions)),
  )
}

function textOrKnown(reading: WhereReading, text: string): Condition[][] {
  const { builder } = reading
  const known = stateOf(builder).conditions.get(text)
  if (known) {
    const fresh = (value: unknown) => freshParameterName(builder, value)
    const current = upToDate(known, (column) => askedColumn(column) !== column, fresh)
    reading.isMoved ||= current !== known
    return [[current]]
  }
  const alternatives = textAlternatives(builder, text)
  if (!alternatives.flat().every(isPlain)) reading.isRewritten = true
  // TypeORM puts brackets around each text where its option asks for them.
  const { isolateWhereStatements } = dataSourceOf(builder).options
  return isolateWhereStatements ? [[joinAlternatives(alternatives)]] : alternatives
}

function operatorCondition(
  reading: WhereReading,
  rendered: Exclude<WhereCondition, string | unknown[]>,
): Condition {
  const nested = rendered.condition ? conditionOf(reading, rendered.condition) : ALWAYS
  if (rendered.operator === 'brackets') return nested
  if (rendered.operator === 'not' && !isEmpty(nested) && !isPlain(nested)) {
    reading.isRewritten = true
    return negate(nested, (value) => freshParameterName(reading.builder, value))
  }
  const sql = internalsOf(reading.builder).createWhereConditionExpression(rendered)
  return { kind: 'plain', sql }
}

function orderKey(builder: object, name: string, value: OrderValue): OrderKey {
  const internals = internalsOf(builder)
  const direction = typeof value === 'string' ? value : value.order
  const nulls = typeof value === 'string' ? undefined : value.nulls
  const descending = direction === 'DESC'
  const sorting = { name, descending, nullsFirst: nulls ? nulls === 'NULLS FIRST' : descending }
  const [aliasName = '', ...path] = name.split('.')
  const alias = internals.expressionMap.aliases.find((one) => one.name === aliasName)
  const metadata = alias?.hasMetadata ? alias.metadata : undefined
  const column = metadata?.findColumnWithPropertyPathStrict(path.join('.'))
  const target = { alias: aliasName, builder: internals }
  const declared = encryptedColumnOf(column)
  const encrypted = declared && askedColumn(declared)
  if (!encrypted) {
    const isColumn = column && !column.isVirtualProperty
    const sql = isColumn ? columnSql(target, column) : selectedAs(internals, name)
    return { ...sorting, sql, place: undefined }
  }
  if (!encrypted.lofi) {
    throw refuseQuery(encrypted.field, 'ordering needs a range index; declare range on it')
  }
  if (toManyAliases(internals.expressionMap).has(aliasName)) {
    throw refuseQuery(encrypted.field, 'ordering by a to-many relation is not supported')
  }
  const place = { alias: aliasName, column: encrypted }
  return { ...sorting, sql: columnSql(target, encrypted.lofi), place }
}

/** The expression that is selected under a name: the statements around a page select no names. */
function selectedAs(builder: BuilderInternals, name: string): string {
  const selected = builder.expressionMap.selects.find(
    ({ aliasName: alias }) =>
      alias !== undefined && (alias === name || builder.escape(alias) === name),
  )
  return selected ? `(${selected.selection})` : name
}

/** Aliases that several joined rows of one main row may come from. */
export function toManyAliases(map: ExpressionMap): Set<string> {
  const many = new Set<string>()
  for (const { alias, parentAlias, relation } of map.joinAttributes) {
    const multiplies = !relation || relation.isOneToMany || relation.isManyToMany
    if (multiplies || (parentAlias && many.has(parentAlias))) many.add(alias.name)
  }
  return many
}

function checkShape(map: ExpressionMap, plan: Plan): void {
  const grouped = map.groupBys.length > 0 || map.havings.length > 0
  const distinct = map.selectDistinct || map.selectDistinctOn.length > 0
  const tuples = map.joinAttributes.length > 0 && (map.limit != null || map.offset != null)
  const problem = grouped
    ? 'GROUP BY and HAVING count rows that only opening can tell apart'
    : distinct
      ? 'DISTINCT is not supported together with a range condition or order on it'
      : tuples
        ? 'limit() and offset() count joined rows; use take() and skip()'
        : undefined
  if (problem) throw refuseQuery(planField(plan), problem)
}

/** A property to name when the query as a whole is refused. */
export function planField({ condition, order, lossy }: Plan): ColumnPlace['column']['field'] {
  const place = lossy ? lossyPlaces(condition)[0] : order.find((key) => key.place)?.place
  return (place as ColumnPlace).column.field
}
