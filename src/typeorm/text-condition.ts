import { columnSql, compilePredicate, type Target } from './compile-predicate'
import { type ColumnPlace, type Condition, join } from './condition'
import { encryptedColumnOf } from './encrypted-column'
import { type Alias, internalsOf } from './internals'
import { negate } from './predicate'
import { readComparison } from './sql/comparison'
import { freshParameterName, parametersOf } from './sql/parameters'
import { hasValues, type ParameterValues, predicateOfQuestion } from './sql/question-values'
import { closing, is, isName, type Token, tokenize } from './sql/tokens'

/** A text that is being read for one builder. */
interface Reading {
  readonly builder: object
  readonly text: string
  readonly tokens: readonly Token[]
  readonly values: ParameterValues
}

/**
 * Reads a WHERE condition given as SQL text.
 *
 * AND, OR, NOT and parentheses are understood down to single comparisons of encrypted properties;
 * everything else stays text.
 *
 * @returns the alternatives of an OR, each a list of conditions: TypeORM joins texts without brackets, so
 *   that the first and the last of them belong to what stands before and after
 * @throws ERR_QUERY_UNSUPPORTED where the declared indexes cannot answer a comparison
 */
export function textAlternatives(builder: object, text: string): Condition[][] {
  const tokens = tokenize(text)
  const reading = { builder, text, tokens, values: parametersOf(builder) }
  return alternativesIn(reading, 0, tokens.length, false)
}

function alternativesIn(
  reading: Reading,
  from: number,
  to: number,
  negated: boolean,
): Condition[][] {
  return split(reading.tokens, from, to, 'or').map(([start, end]) =>
    split(reading.tokens, start, end, 'and').map(([first, last]) =>
      conditionIn(reading, first, last, negated),
    ),
  )
}

function conditionIn(reading: Reading, from: number, to: number, negated: boolean): Condition {
  const { tokens } = reading
  if (is(tokens[from], 'not')) return conditionIn(reading, from + 1, to, !negated)
  const isWrapped = is(tokens[from], '(') && closing(tokens, from) === to - 1
  if (!isWrapped || is(tokens[from + 1], 'select', 'with')) {
    return comparisonIn(reading, from, to, negated)
  }
  const alternatives = alternativesIn(reading, from + 1, to - 1, negated)
  const [outer, inner] = negated ? (['and', 'or'] as const) : (['or', 'and'] as const)
  return join(
    outer,
    alternatives.map((conditions) => join(inner, conditions)),
  )
}

function comparisonIn(reading: Reading, from: number, to: number, negated: boolean): Condition {
  const { builder, text, tokens, values } = reading
  for (let first = from; first < to; first++) {
    const place = placeAt(reading, first)
    const asked = place && readComparison(tokens, { first, last: place.last })
    if (!asked || asked.first !== from || asked.last !== to - 1) continue
    if (!hasValues(asked.question, values)) continue
    const predicate = predicateOfQuestion(place.column.field, asked.question, values)
    if (!predicate) continue
    return compilePredicate(targetOf(builder, place), negated ? negate(predicate) : predicate)
  }
  const sql = text.slice(tokens[from]?.start, tokens[to - 1]?.end)
  return { kind: 'plain', sql: negated ? `NOT (${sql})` : sql }
}

function targetOf(builder: object, { alias, column }: ColumnPlace): Target {
  const internals = internalsOf(builder)
  return {
    alias,
    column,
    sqlOf: (one) => columnSql({ alias, builder: internals }, one),
    parameter: (value) => freshParameterName(builder, value),
  }
}

/** Ranges between the ANDs or ORs of one level; the AND of a BETWEEN is none. */
function split(
  tokens: readonly Token[],
  from: number,
  to: number,
  operator: 'and' | 'or',
): [number, number][] {
  const ranges: [number, number][] = []
  let start = from
  let cases = 0
  let betweens = 0
  for (let index = from; index < to; index++) {
    const token = tokens[index]
    if (is(token, '(')) index = closing(tokens, index)
    else if (is(token, 'case')) cases++
    else if (is(token, 'end')) cases--
    else if (is(token, 'between') && cases === 0) betweens++
    else if (is(token, 'and') && betweens > 0) betweens--
    else if (is(token, operator) && cases === 0) {
      ranges.push([start, index])
      start = index + 1
    }
  }
  return [...ranges, [start, to]]
}

/**
 * The encrypted property that a name stands for, as TypeORM reads names in a builder: `alias.property`,
 * and by SQL's rules `alias."column"` or a column alone.
 */
function placeAt(
  { builder, tokens }: Reading,
  first: number,
): (ColumnPlace & { readonly last: number }) | undefined {
  if (!isName(tokens[first]) || is(tokens[first - 1], '.', '::', 'as')) return undefined
  let last = first
  while (is(tokens[last + 1], '.') && isName(tokens[last + 2])) last += 2
  if (is(tokens[last + 1], '(')) return undefined
  const { aliases } = internalsOf(builder).expressionMap
  const names = tokens.slice(first, last + 1).filter(isName)
  const [qualifier, ...path] = names as [Token, ...Token[]]
  if (path.length === 0) return bareColumn(aliases, qualifier, last)
  const alias = aliases.find(({ name }) => name === written(qualifier) || name === qualifier.value)
  const column = alias?.hasMetadata ? encryptedColumnOf(columnAt(alias, path)) : undefined
  return alias && column && { alias: alias.name, column, last }
}

function columnAt({ metadata }: Alias, path: readonly Token[]) {
  const property = metadata.findColumnWithPropertyPathStrict(path.map(written).join('.'))
  if (property && path.every(({ kind }) => kind === 'word')) return property
  const [name, ...more] = path
  return more.length > 0
    ? undefined
    : metadata.columns.find(({ databaseName }) => databaseName === name?.value)
}

/** A name that only one of the query's tables has. */
function bareColumn(aliases: readonly Alias[], { value }: Token, last: number) {
  const [only, ...others] = aliases.flatMap((alias) => {
    if (!alias.hasMetadata) return []
    const column = alias.metadata.columns.find(({ databaseName }) => databaseName === value)
    return column ? [{ alias: alias.name, column }] : []
  })
  const column = others.length === 0 ? encryptedColumnOf(only?.column) : undefined
  return only && column && { alias: only.alias, column, last }
}

function written({ kind, text, value }: Token): string {
  return kind === 'word' ? text : value
}
