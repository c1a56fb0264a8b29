import { InstanceChecker } from 'typeorm'
import { type LikePattern, readLikePattern } from '../blind-index/like-pattern'
import { MortiseError } from '../errors'
import type { Field } from '../field'

/** A condition on one value, with every NOT pushed down to where SQL's three values agree with it. */
export type Predicate =
  | { readonly kind: 'null'; readonly negated: boolean }
  | { readonly kind: 'in'; readonly values: readonly unknown[]; readonly negated: boolean }
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly bound: unknown }
  | { readonly kind: 'like'; readonly pattern: LikePattern; readonly negated: boolean }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Predicate[] }

export type Comparison = '>' | '>=' | '<' | '<='

/** The parts of a FindOperator that are read; it is never changed. */
interface Operator {
  readonly type: string
  readonly value: unknown
  readonly child?: Operator
}

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  moreThan: '>',
  moreThanOrEqual: '>=',
  lessThan: '<',
  lessThanOrEqual: '<=',
}
const OPPOSITE: Readonly<Record<Comparison, Comparison>> = {
  '>': '<=',
  '>=': '<',
  '<': '>=',
  '<=': '>',
}

/**
 * Reads a condition value or FindOperator as a predicate.
 *
 * @param negated - whether it stands under a NOT: `NOT (v > x)` and `v <= x` agree, also for NULL
 * @throws ERR_QUERY_UNSUPPORTED for operators that cannot be answered, naming property and fix
 */
export function predicateOf(field: Field, condition: unknown, negated = false): Predicate {
  if (!InstanceChecker.isFindOperator(condition)) return membership(field, [condition], negated)
  const operator = condition as unknown as Operator
  const comparison = COMPARISONS[operator.type]
  if (comparison) return compare(field, comparison, operator.value, negated)
  switch (operator.type) {
    case 'equal':
      return membership(field, [operator.value], negated)
    case 'in':
    case 'any':
      return membership(field, operator.value as readonly unknown[], negated)
    case 'isNull':
      return { kind: 'null', negated }
    case 'like':
      return like(field, operator.value, negated)
    case 'not':
      return predicateOf(field, operator.child ?? operator.value, !negated)
    case 'between':
      return between(field, operator.value as readonly [unknown, unknown], negated)
    case 'and':
    case 'or':
      return {
        kind: (operator.type === 'and') === negated ? 'or' : 'and',
        parts: (operator.value as unknown[]).map((part) => predicateOf(field, part, negated)),
      }
    default:
      throw unsupported(field, operator.type)
  }
}

/** The opposite of a predicate, which agrees with SQL's NOT for every value and for NULL. */
export function negate(predicate: Predicate): Predicate {
  if ('parts' in predicate) {
    return { kind: predicate.kind === 'and' ? 'or' : 'and', parts: predicate.parts.map(negate) }
  }
  if (predicate.kind === 'compare') {
    return { ...predicate, operator: OPPOSITE[predicate.operator] }
  }
  return { ...predicate, negated: !predicate.negated }
}

/** `v IN (…)`; equality is an IN of one value. */
export function membership(field: Field, values: readonly unknown[], negated: boolean): Predicate {
  if (!Array.isArray(values)) throw unsupported(field, 'In over something that is not an array')
  for (const value of values) requireValue(field, value)
  return { kind: 'in', values, negated }
}

/** A comparison with one bound. */
export function compare(
  field: Field,
  operator: Comparison,
  bound: unknown,
  negated: boolean,
): Predicate {
  requireValue(field, bound)
  return { kind: 'compare', operator: negated ? OPPOSITE[operator] : operator, bound }
}

/** `v BETWEEN low AND high`. */
export function between(
  field: Field,
  [low, high]: readonly [unknown, unknown],
  negated: boolean,
): Predicate {
  const parts = [compare(field, '>=', low, negated), compare(field, '<=', high, negated)]
  return { kind: negated ? 'or' : 'and', parts }
}

/** `v LIKE pattern`, of a pattern that begins with text. */
export function like(field: Field, text: unknown, negated: boolean): Predicate {
  requireValue(field, text)
  const pattern = typeof text === 'string' ? readLikePattern(text) : undefined
  if (field.type !== 'string' || !pattern?.prefix) {
    throw refuseQuery(
      field,
      "LIKE is answered for strings, by a pattern that begins with text, such as 'Ab%'; " +
        'declare range: { prefix } for it',
    )
  }
  return { kind: 'like', pattern, negated }
}

function requireValue(field: Field, value: unknown): void {
  if (value === null || value === undefined) {
    throw unsupported(field, `comparison with ${value}, which matches no row; use IsNull()`)
  }
}

function unsupported(field: Field, what: string): MortiseError {
  return refuseQuery(
    field,
    `the condition '${what}' cannot be answered on an encrypted property; use equality, In, IsNull, ` +
      'a comparison, Between, Like, Not, And or Or',
  )
}

/** The one refusal of the query layer: names the property and the fix. */
export function refuseQuery(field: Field, problem: string): MortiseError {
  return new MortiseError('ERR_QUERY_UNSUPPORTED', `${field.name}: ${problem}`, {
    field: field.name,
  })
}
