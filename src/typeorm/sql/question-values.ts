import type { Field } from '../../field'
import { between, compare, like, membership, type Predicate, refuseQuery } from '../predicate'
import type { Operand, Question } from './comparison'

/** Gives the values of a statement's named parameters. */
export interface ParameterValues {
  has(name: string): boolean
  get(name: string): unknown
}

/** Whether every parameter that a question names has a value yet. */
export function hasValues(question: Question, values: ParameterValues): boolean {
  return operandsOf(question).every(
    ({ token }) => token.kind !== 'parameter' || values.has(token.value),
  )
}

/**
 * The predicate that a question asks, with the values of its parameters.
 *
 * @returns undefined for questions that are no predicate
 * @throws ERR_QUERY_UNSUPPORTED for NULL, an empty list and literals that are not of the field's type
 */
export function predicateOfQuestion(
  field: Field,
  question: Question,
  values: ParameterValues,
): Predicate | undefined {
  const value = (operand: Operand) => operandValue(field, operand, values)
  switch (question.kind) {
    case 'in':
      return membership(field, listOf(field, question.operands, values), question.negated)
    case 'compare':
      return compare(field, question.operator, value(question.operand), false)
    case 'between':
      return between(field, [value(question.low), value(question.high)], question.negated)
    case 'like':
      return like(field, value(question.operand), question.negated)
    default:
      return undefined
  }
}

function operandsOf(question: Question): readonly Operand[] {
  if (question.kind === 'in') return question.operands
  if (question.kind === 'between') return [question.low, question.high]
  return 'operand' in question ? [question.operand] : []
}

function listOf(field: Field, operands: readonly Operand[], values: ParameterValues): unknown[] {
  const list = operands.flatMap((operand) => {
    const value = operandValue(field, operand, values)
    if (!operand.token.spread) return [value]
    if (Array.isArray(value)) return value
    throw refuseQuery(field, `the parameter ${operand.token.value} must be an array`)
  })
  if (list.length > 0) return list
  throw refuseQuery(
    field,
    'IN over an empty list is no SQL; leave the condition out, or use In([])',
  )
}

function operandValue(field: Field, { token, minus }: Operand, values: ParameterValues): unknown {
  if (token.kind === 'parameter') return values.get(token.value)
  if (token.kind === 'number') {
    const text = minus ? `-${token.text}` : token.text
    return field.type === 'bigint' && /^-?\d+$/.test(text) ? BigInt(text) : Number(text)
  }
  if (token.kind === 'word') return token.value === 'true'
  if (field.type === 'string' || field.type === 'date') return token.value
  throw refuseQuery(field, `a string is no ${field.type}; give the value as a parameter`)
}
