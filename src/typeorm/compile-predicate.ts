import { beginningWith, type LikePattern } from '../blind-index/like-pattern'
import { FULL_BITS } from '../blind-index/token'
import { compareValues } from '../blind-index/value-order'
import { checkValue } from '../envelope/codec'
import type { MortiseError } from '../errors'
import type { Field } from '../field'
import { askedColumn } from './asked-column'
import { type ColumnPlace, type Condition, join, type MakeParameter, NEVER } from './condition'
import { type Alias, type BuilderInternals, type ColumnMetadata, internalsOf } from './internals'
import { Placeholder } from './placeholder'
import { type Comparison, negate, type Predicate, predicateOf, refuseQuery } from './predicate'

/** Names and parameters of the statement that a condition is written for. */
export interface Target extends ColumnPlace {
  /** A column of the place as SQL. */
  sqlOf(column: ColumnMetadata): string
  readonly parameter: MakeParameter
}

/**
 * Rewrites a condition on an encrypted property to its hidden columns.
 *
 * @param value - a value or FindOperator as the application gave it; never changed
 * @throws ERR_QUERY_UNSUPPORTED where the declared indexes cannot answer it
 */
export function compileCondition(builder: object, place: ColumnPlace, value: unknown): Condition {
  const internals = internalsOf(builder)
  const { alias, column } = place
  const target: Target = {
    alias,
    column,
    sqlOf: (one) => columnSql({ alias, builder: internals }, one),
    parameter: (one) => internals.createParameter(one),
  }
  return compilePredicate(target, predicateOf(column.field, value))
}

/**
 * Writes a predicate as SQL on the hidden columns.
 *
 * @throws ERR_QUERY_UNSUPPORTED where the declared indexes cannot answer it
 */
export function compilePredicate(place: Target, predicate: Predicate): Condition {
  const column = askedColumn(place.column)
  const target = { ...place, column }
  switch (predicate.kind) {
    case 'null': {
      const test = predicate.negated ? 'IS NOT NULL' : 'IS NULL'
      return { kind: 'plain', sql: `${target.sqlOf(column.main)} ${test}` }
    }
    case 'in':
      return compileMembership(target, predicate.values, predicate.negated)
    case 'compare':
      return compileComparison(target, predicate.operator, predicate.bound)
    case 'like':
      return compileLike(target, predicate.pattern, predicate.negated)
    default:
      return join(
        predicate.kind,
        predicate.parts.map((part) => compilePredicate(target, part)),
      )
  }
}

type Test = (value: unknown) => boolean

/** What an atom says beside its SQL. The opposite is written only where it is asked for. */
function atom(target: Target, predicate: Predicate, test: Test) {
  const { alias, column } = target
  const compile = (one: Predicate) => (parameter: MakeParameter) =>
    compilePredicate({ ...target, parameter }, one)
  return {
    alias,
    column,
    test: (value: unknown) => value !== null && test(value),
    negated: (parameter: MakeParameter) => compile(negate(predicate))(parameter),
    again: compile(predicate),
  }
}

/**
 * An atom whose index value is shared by several values: a hit is a candidate, a miss is certain.
 *
 * @param index - the column of the index value
 * @param hit - SQL that holds where the index value is the one asked for
 */
function shared(
  target: Target,
  predicate: Predicate,
  test: Test,
  index: ColumnMetadata,
  hit: string,
): Condition {
  const rest = atom(target, predicate, test)
  if (!('negated' in predicate && predicate.negated)) {
    return { kind: 'lossy', sql: hit, sure: NEVER, undecided: hit, ...rest }
  }
  return {
    kind: 'lossy',
    sql: `${target.sqlOf(target.column.main)} IS NOT NULL`,
    sure: `NOT (${hit})`,
    // A value whose index is not there is missed by neither a hit nor a miss.
    undecided: `${hit} OR ${target.sqlOf(index)} IS NULL`,
    ...rest,
  }
}

function compileMembership(
  target: Target,
  values: readonly unknown[],
  negated: boolean,
): Condition {
  const { field, hmac, lofi } = target.column
  if (values.length === 0) return { kind: 'plain', sql: negated ? '1=1' : '0=1' }
  const index = hmac ?? lofi
  if (!index) throw withoutIndex(target, 'it has no index; declare exact to find it by equality')
  const list = values.map((value) => target.parameter(indexValue(field, value))).join(', ')
  const includes = membershipTest(field, values)
  const test: Test = (value) => includes(value) !== negated
  const predicate: Predicate = { kind: 'in', values, negated }
  if (!hmac || field.exact?.bits !== FULL_BITS) {
    return shared(target, predicate, test, index, `${target.sqlOf(index)} IN (${list})`)
  }
  const sql = `${target.sqlOf(hmac)} ${negated ? 'NOT IN' : 'IN'} (${list})`
  return { kind: 'exact', sql, ...atom(target, predicate, test) }
}

function indexValue(field: Field, value: unknown): unknown {
  const use = field.exact ? 'token' : 'bucket'
  return new Placeholder(field, use, value).bind()
}

/** What asks for buckets that begin with a text. */
function beginParameter(field: Field, text: string): Placeholder {
  checkValue(field.type, text, field.name)
  return new Placeholder(field, 'bucket', text, { bucket: beginningWith(text) })
}

/** What asks for whole buckets. A placeholder, so that a statement that is older than its index is refused. */
function bucketParameter(field: Field, value: unknown): Placeholder {
  return new Placeholder(field, 'bucket', value).bind()
}

/** Equality of an exact index is equality of normalised values; of a range index, of the values. */
function membershipTest(field: Field, values: readonly unknown[]): Test {
  if (!field.exact)
    return (value) => values.some((one) => compareValues(field.type, value, one) === 0)
  // A set: a list of n values that finds n rows would otherwise take n² comparisons.
  const keyOf = (value: unknown) => field.encodeForToken(value).toString('latin1')
  let keys: ReadonlySet<string> | undefined
  return (value) => {
    keys ??= new Set(values.map(keyOf))
    return keys.has(keyOf(value))
  }
}

/** Where a bucket begins at the bound, `>=` and `<` ask for whole buckets, and the database decides. */
function compileComparison(target: Target, operator: Comparison, bound: unknown): Condition {
  const { field, lofi } = target.column
  if (!lofi) throw withoutIndex(target, `'${operator}' needs a range index; declare range on it`)
  const parameter = target.parameter(bucketParameter(field, bound))
  const reference = target.sqlOf(lofi)
  const strict = operator[0] as '>' | '<'
  const test: Test = (value) => holds(compareValues(field.type, value, bound), operator)
  const rest = atom(target, { kind: 'compare', operator, bound }, test)
  if ((operator === '>=' || operator === '<') && field.bucketing?.begins(bound)) {
    return { kind: 'exact', sql: `${reference} ${operator} ${parameter}`, ...rest }
  }
  return {
    kind: 'lossy',
    sql: `${reference} ${strict}= ${parameter}`,
    sure: `${reference} ${strict} ${parameter}`,
    undecided: `${reference} = ${parameter}`,
    ...rest,
  }
}

function holds(order: number, operator: Comparison): boolean {
  if (order === 0) return operator.length === 2
  return operator[0] === '>' ? order > 0 : order < 0
}

/** A prefix of at most the bucket's length decides alone; a longer one, or wildcards, need the value. */
function compileLike(target: Target, pattern: LikePattern, negated: boolean): Condition {
  const { field, lofi } = target.column
  const length = field.bucketing?.prefix
  if (!lofi || length === undefined) {
    throw withoutIndex(
      target,
      'LIKE needs a range index of its first characters: range: { prefix }',
    )
  }
  const given = [...pattern.prefix].length
  const whole = given >= length || pattern.rest === 'nothing'
  const hit = whole
    ? `${target.sqlOf(lofi)} = ${target.parameter(bucketParameter(field, pattern.prefix))}`
    : `${target.sqlOf(lofi)} LIKE ${target.parameter(beginParameter(field, pattern.prefix))}`
  const predicate: Predicate = { kind: 'like', pattern, negated }
  const test: Test = (value) => pattern.matches(value as string) !== negated
  const decides =
    pattern.rest === 'anything' ? given <= length : pattern.rest === 'nothing' && given < length
  if (!decides) return shared(target, predicate, test, lofi, hit)
  const sql = negated ? `NOT (${hit})` : hit
  return { kind: 'exact', sql, ...atom(target, predicate, test) }
}

function withoutIndex({ column: { field, adopted } }: Target, problem: string): MortiseError {
  return refuseQuery(
    field,
    adopted?.opaque
      ? 'it is still read from a column whose encryption gives a value another form each time, which ' +
          "no condition finds; its indexes are used from adopt.state 'verified' on"
      : problem,
  )
}

/** A column as SQL, qualified where the builder qualifies. */
export function columnSql(
  { alias, builder }: { alias: string; builder: BuilderInternals },
  column: ColumnMetadata,
): string {
  const name = builder.escape(column.databaseName)
  return builder.expressionMap.aliasNamePrefixingEnabled ? `${builder.escape(alias)}.${name}` : name
}

/** The primary key of a builder's main entity as SQL, column by column. */
export function primaryKeySql(builder: BuilderInternals): string[] {
  const { name, metadata } = builder.expressionMap.mainAlias as Alias
  return metadata.primaryColumns.map((column) => columnSql({ alias: name, builder }, column))
}
