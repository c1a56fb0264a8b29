import type { ObjectLiteral } from 'typeorm'
import { drawTest, type Test } from './conditions'
import type { Random } from './random'
import type { Twin } from './twins'
import type { Property } from './values'
import { nameIn } from './writes'

/** A condition as SQL text, as data: rendered with parameters of its own. */
export type Text =
  | { readonly path: string; readonly test: Test; readonly style: Style }
  | { readonly join: 'AND' | 'OR'; readonly parts: readonly Text[] }
  | { readonly not: Text }
  | { readonly when: Text; readonly yields: Text; readonly otherwise: Text }

/** How an application may write the same comparison. */
export interface Style {
  /** `"e"."p1"` */
  readonly quoted?: boolean
  /** `:value = e.p1` */
  readonly swapped?: boolean
  /** Values in the text instead of parameters. */
  readonly literal?: boolean
  /** `= ANY(:list)` instead of `IN (:...list)` */
  readonly array?: boolean
  /** `<>`, `NOT IN`, `IS NOT NULL` and so on instead of `NOT (…)` */
  readonly negated?: boolean
  readonly lowerCase?: boolean
}

/** Draws a condition over the properties of several aliases. */
export function drawText(
  random: Random,
  paths: ReadonlyMap<string, Property>,
  depth = 2,
  exactly = false,
): Text {
  const deep = depth > 0
  const kind = random.weighted({
    test: 20,
    join: deep ? 12 : 0,
    not: deep ? 4 : 0,
    when: deep ? 1 : 0,
  })
  if (kind === 'join') {
    const parts = random.times(2, 3, () => drawText(random, paths, depth - 1, exactly))
    return { join: random.pick(['AND', 'OR'] as const), parts }
  }
  const inner = (only = exactly) => drawText(random, paths, depth - 1, only)
  if (kind === 'not') return { not: inner() }
  if (kind === 'when') return { when: inner(true), yields: inner(true), otherwise: inner(true) }
  const [path, property] = random.pick([...paths])
  const hasLiteral = ['string', 'number', 'bigint', 'boolean', 'date'].includes(property.type)
  const style = {
    ...(random.chance(0.2) && { quoted: true }),
    ...(random.chance(0.2) && { swapped: true }),
    ...(hasLiteral && random.chance(0.2) && { literal: true }),
    ...(random.chance(0.2) && { array: true }),
    ...(random.chance(0.6) && { negated: true }),
    ...(random.chance(0.2) && { lowerCase: true }),
  }
  return { path, test: drawTest(random, property, exactly, 1), style }
}

/** The text, and what its parameters hold on one twin. */
export interface Rendered {
  readonly sql: string
  readonly parameters: ObjectLiteral
}

/** Renders with parameters whose names begin with `prefix`. */
export function renderText(text: Text, twin: Twin, prefix: string): Rendered {
  const parameters: ObjectLiteral = {}
  const bind = (value: unknown): string => {
    const name = `${prefix}${Object.keys(parameters).length}`
    parameters[name] = value
    return name
  }
  const render = (part: Text): string => {
    if ('join' in part) return `(${part.parts.map(render).join(` ${part.join} `)})`
    if ('not' in part) return `NOT (${render(part.not)})`
    if ('when' in part) {
      const [when, yields, otherwise] = [part.when, part.yields, part.otherwise].map(render)
      return `CASE WHEN ${when} THEN ${yields} ELSE ${otherwise} END`
    }
    return comparison(part.path, part.style, twin, bind).render(part.test, false)
  }
  return { sql: render(text), parameters }
}

const OPPOSITE: Readonly<Record<string, string>> = {
  ...{ '=': '=', '<>': '<>', '<': '>', '<=': '>=', '>': '<', '>=': '<=' },
}

function comparison(path: string, style: Style, twin: Twin, bind: (value: unknown) => string) {
  const word = (text: string) => (style.lowerCase ? text.toLowerCase() : text)
  const name = style.quoted ? quoted(path) : path
  const one = (given: unknown): string => {
    const value = twin.valueOf(nameIn(path), given)
    return style.literal ? literal(value) : `:${bind(value)}`
  }
  const list = (values: readonly unknown[], not: string): string => {
    const stored = values.map((value) => twin.valueOf(nameIn(path), value))
    if (values.length === 0) return `${name} ${word('IS NULL')}`
    if (style.literal) return `${name} ${not}${word('IN')} (${stored.map(literal).join(', ')})`
    if (!style.array) return `${name} ${not}${word('IN')} (:...${bind(stored)})`
    return not
      ? `${name} <> ${word('ALL')}(:${bind(stored)})`
      : `${name} = ${word('ANY')}(:${bind(stored)})`
  }
  const render = (test: Test, negated: boolean): string => {
    if (test.op === 'not') {
      const part = test.parts[0] as Test
      const direct = style.negated && !negated && !('parts' in part)
      return direct ? render(part, true) : `${word('NOT')} (${render(part, false)})`
    }
    if ('parts' in test) {
      const joined = test.parts.map((part) => render(part, false))
      return `(${joined.join(test.op === 'and' ? ' AND ' : ' OR ')})`
    }
    const not = negated ? word('NOT ') : ''
    if (test.op === 'null') return `${name} ${word('IS')} ${not}${word('NULL')}`
    const [first, second] = test.values
    if (test.op === 'in') return list(test.values, not)
    if (test.op === 'like') return `${name} ${not}${word('LIKE')} ${one(first)}`
    if (test.op === 'between') {
      return `${name} ${not}${word('BETWEEN')} ${one(first)} ${word('AND')} ${one(second)}`
    }
    const equal = test.op === 'value' || test.op === '='
    const operator = equal ? (negated ? '<>' : '=') : test.op
    const sql = style.swapped
      ? `${one(first)} ${OPPOSITE[operator]} ${name}`
      : `${name} ${operator} ${one(first)}`
    return negated && !equal ? `${word('NOT')} ${sql}` : sql
  }
  return { render }
}

/** By the names of columns: `"e"."boxP1"`. */
function quoted(path: string): string {
  const [first, ...rest] = path.split('.') as [string, ...string[]]
  if (rest.length === 0) return `"${first}"`
  const [column, ...more] = rest as [string, ...string[]]
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
  return `"${first}"."${column}${more.map(capital).join('')}"`
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)
}
