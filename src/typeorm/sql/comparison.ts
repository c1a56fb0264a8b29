import type { Comparison as Operator } from '../predicate'
import { closing, is, type Token } from './tokens'

/** One side of a comparison that is no column: a parameter or a literal. */
export interface Operand {
  readonly token: Token
  /** A sign before a number. */
  readonly minus: boolean
}

/** What SQL text asks of a column. */
export type Question =
  | { readonly kind: 'null' | 'count' | 'countDistinct' }
  | { readonly kind: 'in'; readonly operands: readonly Operand[]; readonly negated: boolean }
  | { readonly kind: 'compare'; readonly operator: Operator; readonly operand: Operand }
  | {
      readonly kind: 'between'
      readonly low: Operand
      readonly high: Operand
      readonly negated: boolean
    }
  | { readonly kind: 'like'; readonly operand: Operand; readonly negated: boolean }
  | { readonly kind: 'column'; readonly other: number; readonly negated: boolean }

/** A whole comparison in SQL text, by its first and last token. */
export interface AskedColumn {
  readonly first: number
  readonly last: number
  readonly question: Question
}

/** Where the name of a column stands. */
interface Named {
  readonly first: number
  readonly last: number
}

const OPERATORS: ReadonlySet<string> = new Set(['=', '<>', '!=', '<', '<=', '>', '>='])
const FLIPPED: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' }

/** What may stand before and after a comparison without becoming a part of it. */
const BEFORE = ['(', ',', 'and', 'or', 'not', 'where', 'on', 'having', 'when', 'then', 'else', 'by']
const AFTER = [
  ...[')', ',', ';', 'and', 'or', 'is', 'then', 'when', 'else', 'end', 'as', 'group', 'order'],
  ...['having', 'limit', 'offset', 'fetch', 'for', 'window', 'union', 'intersect', 'except'],
  ...['returning', 'inner', 'left', 'right', 'full', 'cross', 'join', 'natural', 'asc', 'desc'],
  ...['nulls', 'from', 'where', 'on', 'set'],
]

/**
 * Reads the comparison that a column stands in, if its meaning is certain: all of it is understood, and
 * nothing around it binds more tightly.
 *
 * @returns undefined for everything else
 */
export function readComparison(tokens: readonly Token[], named: Named): AskedColumn | undefined {
  const asked =
    readNullTest(tokens, named) ??
    readCount(tokens, named) ??
    readForward(tokens, named) ??
    readBackward(tokens, named)
  return asked && isAlone(tokens, asked) ? asked : undefined
}

function isAlone(tokens: readonly Token[], { first, last, question }: AskedColumn): boolean {
  if (question.kind === 'null' || question.kind.startsWith('count')) return true
  const before = tokens[first - 1]
  const after = tokens[last + 1]
  return (
    (before === undefined || is(before, ...BEFORE, 'select', 'distinct')) &&
    (after === undefined || after.kind === 'quoted' || is(after, ...AFTER))
  )
}

function readNullTest(tokens: readonly Token[], { first, last }: Named): AskedColumn | undefined {
  if (!is(tokens[last + 1], 'is')) return undefined
  const end = is(tokens[last + 2], 'not') ? last + 3 : last + 2
  return is(tokens[end], 'null') ? { first, last: end, question: { kind: 'null' } } : undefined
}

/** `count(x)` counts what is not NULL; `count(DISTINCT x)` the values, by their tokens. */
function readCount(tokens: readonly Token[], named: Named): AskedColumn | undefined {
  let { first, last } = named
  while (is(tokens[first - 1], '(') && is(tokens[last + 1], ')')) {
    if (is(tokens[first - 2], 'count')) {
      return { first: first - 2, last: last + 1, question: { kind: 'count' } }
    }
    first--
    last++
  }
  const isCount = is(tokens[first - 1], 'distinct') && is(tokens[first - 3], 'count')
  if (!isCount || !is(tokens[first - 2], '(') || !is(tokens[last + 1], ')')) return undefined
  return { first: first - 3, last: last + 1, question: { kind: 'countDistinct' } }
}

/** The column first: `x = :p`, `x IN (:...p)`, `x BETWEEN :p AND :q`, `x LIKE :p`, `x = ANY(:p)`. */
function readForward(tokens: readonly Token[], { first, last }: Named): AskedColumn | undefined {
  const negated = is(tokens[last + 1], 'not')
  const at = negated ? last + 2 : last + 1
  const token = tokens[at]
  const ask = (end: number, question: Question): AskedColumn => ({ first, last: end, question })
  if (is(token, 'in')) return readList(tokens, at + 1, negated, ask)
  if (is(token, 'between')) return readBetween(tokens, at + 1, negated, ask)
  if (is(token, 'like')) {
    const operand = readOperand(tokens, at + 1)
    return operand && ask(operand.end, { kind: 'like', operand, negated })
  }
  if (negated || token?.kind !== 'operator' || !OPERATORS.has(token.value)) return undefined
  if (is(tokens[at + 1], 'any', 'all')) return readArray(tokens, at, ask)
  const operand = readOperand(tokens, at + 1)
  return operand && ask(operand.end, comparison(token.value, operand))
}

type Ask = (end: number, question: Question) => AskedColumn

function readList(
  tokens: readonly Token[],
  open: number,
  negated: boolean,
  ask: Ask,
): AskedColumn | undefined {
  if (!is(tokens[open], '(')) return undefined
  const close = closing(tokens, open)
  const operands: Operand[] = []
  for (let index = open + 1; ; ) {
    const operand = readOperand(tokens, index)
    if (!operand) return undefined
    operands.push(operand)
    if (operand.end + 1 === close) return ask(close, { kind: 'in', operands, negated })
    if (!is(tokens[operand.end + 1], ',')) return undefined
    index = operand.end + 2
  }
}

/** `= ANY(:list)` and `<> ALL(:list)`, of a parameter that holds an array. */
function readArray(tokens: readonly Token[], at: number, ask: Ask): AskedColumn | undefined {
  const negated = is(tokens[at], '<>', '!=') && is(tokens[at + 1], 'all')
  if (!negated && !(is(tokens[at], '=') && is(tokens[at + 1], 'any'))) return undefined
  const [open, token, close] = tokens.slice(at + 2, at + 5)
  if (!is(open, '(') || token?.kind !== 'parameter' || !is(close, ')')) return undefined
  const operand: Operand = { token: { ...token, spread: true }, minus: false }
  return ask(at + 4, { kind: 'in', operands: [operand], negated })
}

function readBetween(
  tokens: readonly Token[],
  from: number,
  negated: boolean,
  ask: Ask,
): AskedColumn | undefined {
  const low = readOperand(tokens, from)
  if (!low || !is(tokens[low.end + 1], 'and')) return undefined
  const high = readOperand(tokens, low.end + 2)
  return high && ask(high.end, { kind: 'between', low, high, negated })
}

/** The column last: `:p = x`. */
function readBackward(tokens: readonly Token[], { first, last }: Named): AskedColumn | undefined {
  const operator = tokens[first - 1]
  if (operator?.kind !== 'operator' || !OPERATORS.has(operator.value)) return undefined
  const isSigned = tokens[first - 2]?.kind === 'number' && is(tokens[first - 3], '-')
  const from = isSigned ? first - 3 : first - 2
  const operand = readOperand(tokens, from)
  if (operand?.end !== first - 2) return undefined
  const value = FLIPPED[operator.value] ?? operator.value
  return { first: from, last, question: comparison(value, operand) }
}

function comparison(operator: string, operand: Operand): Question {
  if (operator === '=' || operator === '<>' || operator === '!=') {
    return { kind: 'in', operands: [operand], negated: operator !== '=' }
  }
  return { kind: 'compare', operator: operator as Operator, operand }
}

/** A parameter, a number, a plain string, TRUE or FALSE: nothing that has to be computed. */
function readOperand(
  tokens: readonly Token[],
  from: number,
): (Operand & { readonly end: number }) | undefined {
  const minus = is(tokens[from], '-')
  const end = minus ? from + 1 : from
  const token = tokens[end]
  const isValue =
    token?.kind === 'number' ||
    (!minus && (token?.kind === 'parameter' || isPlainString(token) || is(token, 'true', 'false')))
  return token && isValue ? { token, minus, end } : undefined
}

/** Strings with escapes or dollar quotes are not read. */
function isPlainString(token: Token | undefined): boolean {
  return token?.kind === 'string' && token.text.startsWith("'")
}
