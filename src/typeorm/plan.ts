import { columnSql } from './compile-predicate'
import { ALWAYS, type ColumnPlace, type Condition, isLossy, join, lossyPlaces } from './condition'
import { encryptedColumnOf, encryptedColumnsOf } from './encrypted-column'
import { type ExpressionMap, internalsOf, type OrderValue, type WhereCondition } from './internals'
import { checkFragment, isQuery } from './lint'
import { refuseQuery } from './predicate'
import { stateOf } from './select-state'

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
  /** Rows must be opened to know that they match. */
  readonly lossy: boolean
  /** Rows must be opened to put them in order. */
  readonly sorted: boolean
}

/** Whether the query may meet encrypted properties: in its entities, or through another query. */
export function readsEncrypted(builder: object): boolean {
  return internalsOf(builder).expressionMap.aliases.some((alias) =>
    alias.hasMetadata ? encryptedColumnsOf(alias.metadata).length > 0 : isQuery(builder, alias),
  )
}

/**
 * Reads the builder's conditions and order, and refuses every fragment that would touch ciphertext.
 *
 * @throws ERR_QUERY_UNSUPPORTED naming the property and the fix
 */
export function planOf(builder: object): Plan {
  const map = internalsOf(builder).expressionMap
  const condition = conditionOf(builder, map.wheres)
  const order = Object.entries(map.allOrderBys).map(([name, value]) =>
    orderKey(builder, name, value),
  )
  const plan: Plan = {
    condition,
    order,
    lossy: isLossy(condition),
    sorted: order.some(({ place }) => place !== undefined),
  }
  checkFragments(builder, map)
  if (plan.lossy || plan.sorted) checkShape(map, plan)
  return plan
}

/** AND binds tighter than OR: a list of clauses is an OR of ANDs. */
function conditionOf(builder: object, rendered: WhereCondition): Condition {
  if (typeof rendered === 'string') {
    const known = stateOf(builder).conditions.get(rendered)
    if (!known) checkFragment(builder, rendered)
    return known ?? { kind: 'plain', sql: rendered }
  }
  if (!Array.isArray(rendered)) return operatorCondition(builder, rendered)
  const alternatives: Condition[][] = [[]]
  for (const clause of rendered) {
    if (clause.type === 'or') alternatives.push([])
    alternatives.at(-1)?.push(conditionOf(builder, clause.condition))
  }
  return join(
    'or',
    alternatives.map((conditions) => join('and', conditions)),
  )
}

function operatorCondition(
  builder: object,
  rendered: Exclude<WhereCondition, string | unknown[]>,
): Condition {
  const nested = rendered.condition ? conditionOf(builder, rendered.condition) : ALWAYS
  if (rendered.operator === 'brackets') return nested
  const sql = internalsOf(builder).createWhereConditionExpression(rendered)
  const [lossy] = lossyPlaces(nested)
  if (lossy) {
    throw refuseQuery(
      lossy.column.field,
      'NotBrackets around it is not supported; put Not() on the property',
    )
  }
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
  const encrypted = encryptedColumnOf(column)
  if (!encrypted) {
    if (!column) checkFragment(builder, selectionOf(internals.expressionMap, name))
    const sql = column && !column.isVirtualProperty ? columnSql(target, column) : name
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

/** What a name in ORDER BY or GROUP BY stands for, where it is the name of a selection. */
function selectionOf(map: ExpressionMap, name: string): string {
  return map.selects.find(({ aliasName }) => aliasName === name)?.selection ?? name
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

/** SQL text outside of WHERE and ORDER BY. */
function checkFragments(builder: object, map: ExpressionMap): void {
  const fragments = [
    ...map.joinAttributes.map(({ condition }) => condition ?? ''),
    ...map.havings.map(({ condition }) => condition),
    ...map.groupBys.map((name) => selectionOf(map, name)),
    ...map.selectDistinctOn,
    ...map.selects.map(({ selection }) => selection).filter((text) => !/^[\w.]+$/.test(text)),
  ]
  for (const fragment of fragments) {
    if (fragment !== '') checkFragment(builder, fragment)
  }
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
