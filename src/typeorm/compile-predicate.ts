import { FULL_BITS } from '../blind-index/token'
import { compareValues } from '../blind-index/value-order'
import type { Field } from '../field'
import { type ColumnPlace, type Condition, join } from './condition'
import { type BuilderInternals, type ColumnMetadata, internalsOf } from './internals'
import { Placeholder } from './placeholder'
import { type Comparison, type Predicate, predicateOf, refuseQuery } from './predicate'

/** Names and parameters of the builder that a condition is written for. */
interface Target extends ColumnPlace {
  readonly builder: BuilderInternals
}

/**
 * Rewrites a condition on an encrypted property to its hidden columns.
 *
 * @param value - a value or FindOperator as the application gave it; never changed
 * @throws ERR_QUERY_UNSUPPORTED where the declared indexes cannot answer it
 */
export function compileCondition(builder: object, place: ColumnPlace, value: unknown): Condition {
  const target = { ...place, builder: internalsOf(builder) }
  return compile(target, predicateOf(place.column.field, value))
}

function compile(target: Target, predicate: Predicate): Condition {
  const { column } = target
  switch (predicate.kind) {
    case 'null':
      return {
        kind: 'plain',
        sql: `${columnSql(target, column.main)} IS ${predicate.negated ? 'NOT ' : ''}NULL`,
      }
    case 'in':
      return compileMembership(target, predicate.values, predicate.negated)
    case 'compare':
      return compileComparison(target, predicate.operator, predicate.bound)
    default:
      return join(
        predicate.kind,
        predicate.parts.map((part) => compile(target, part)),
      )
  }
}

function compileMembership(
  target: Target,
  values: readonly unknown[],
  negated: boolean,
): Condition {
  const { column, builder, alias } = target
  const { field, hmac, lofi, main } = column
  if (values.length === 0) return { kind: 'plain', sql: negated ? '1=1' : '0=1' }
  const index = hmac ?? lofi
  if (!index) throw refuseQuery(field, 'it has no index; declare exact to find it by equality')
  const parameters = values.map((value) => builder.createParameter(indexValue(field, value)))
  const list = parameters.join(', ')
  const sql = `${columnSql(target, index)} ${negated ? 'NOT IN' : 'IN'} (${list})`
  const includes = membershipTest(field, values)
  const test = (value: unknown) => value !== null && includes(value) !== negated
  if (hmac && field.exact?.bits === FULL_BITS) return { kind: 'exact', sql, test, alias, column }
  // Equal values have equal index values, and no more: a hit is a candidate, a miss is certain.
  return negated
    ? {
        kind: 'lossy',
        sql: `${columnSql(target, main)} IS NOT NULL`,
        sure: sql,
        test,
        alias,
        column,
      }
    : { kind: 'lossy', sql, sure: 'FALSE', test, alias, column }
}

function indexValue(field: Field, value: unknown): unknown {
  return field.exact ? new Placeholder(field, 'token', value).bind() : field.bucketOf(value)
}

/** Equality of an exact index is equality of normalised values; of a range index, of the values. */
function membershipTest(field: Field, values: readonly unknown[]): (value: unknown) => boolean {
  if (!field.exact)
    return (value) => values.some((one) => compareValues(field.type, value, one) === 0)
  const encoded = values.map((value) => field.encodeForToken(value))
  return (value) => {
    const candidate = field.encodeForToken(value)
    return encoded.some((one) => one.equals(candidate))
  }
}

function compileComparison(target: Target, operator: Comparison, bound: unknown): Condition {
  const { column, builder, alias } = target
  const { field, lofi } = column
  if (!lofi) {
    throw refuseQuery(field, `'${operator}' needs a range index; declare range on it`)
  }
  const parameter = builder.createParameter(field.bucketOf(bound))
  const reference = columnSql(target, lofi)
  const strict = operator[0] as '>' | '<'
  return {
    kind: 'lossy',
    sql: `${reference} ${strict}= ${parameter}`,
    sure: `${reference} ${strict} ${parameter}`,
    test: (value) => value !== null && holds(compareValues(field.type, value, bound), operator),
    alias,
    column,
  }
}

function holds(order: number, operator: Comparison): boolean {
  if (order === 0) return operator.length === 2
  return operator[0] === '>' ? order > 0 : order < 0
}

/** A column as SQL, qualified where the builder qualifies. */
export function columnSql(
  { alias, builder }: { alias: string; builder: BuilderInternals },
  column: ColumnMetadata,
): string {
  const name = builder.escape(column.databaseName)
  return builder.expressionMap.aliasNamePrefixingEnabled ? `${builder.escape(alias)}.${name}` : name
}
