import type { ObjectLiteral } from 'typeorm'
import { drawTest, type Test } from './conditions'
import type { Random } from './random'
import type { Twin } from './twins'
import type { Property } from './values'
import { nameIn } from './writes'

/** A condition as SQL text, as data: rendered with parameters of its own. */
export type Text =
  | { readonly path: string; readonly test: Test; readonly spelling: Spelling }
  | { readonly join: 'AND' | 'OR'; readonly parts: readonly Text[] }
  | { readonly not: Text }

/** How an application may write the same comparison. */
export type Spelling = 'plain' | 'swapped' | 'literal-case'

/** Draws a condition over the properties of several aliases. */
export function drawText(random: Random, paths: ReadonlyMap<string, Property>, depth = 2): Text {
  const kind = random.weighted({ test: 5, join: depth > 0 ? 3 : 0, not: depth > 0 ? 1 : 0 })
  if (kind === 'join') {
    const parts = random.times(2, 3, () => drawText(random, paths, depth - 1))
    return { join: random.pick(['AND', 'OR'] as const), parts }
  }
  if (kind === 'not') return { not: drawText(random, paths, depth - 1) }
  const [path, property] = random.pick([...paths])
  const spelling = random.weighted({ plain: 5, swapped: 1, 'literal-case': 1 })
  return { path, test: drawTest(random, property, false, 1), spelling }
}

/** The text, and what its parameters hold on one twin. */
export interface Rendered {
  readonly sql: string
  readonly parameters: ObjectLiteral
}

const OPPOSITE: Readonly<Record<string, string>> = {
  '=': '=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}

/** Renders with parameters whose names begin with `prefix`. */
export function renderText(text: Text, twin: Twin, prefix: string): Rendered {
  const parameters: ObjectLiteral = {}
  const bind = (path: string, value: unknown, many = false): string => {
    const name = `${prefix}${Object.keys(parameters).length}`
    const one = (given: unknown) => asParameter(twin.valueOf(nameIn(path), given))
    parameters[name] = many ? (value as unknown[]).map(one) : one(value)
    return many ? `:...${name}` : `:${name}`
  }
  const render = (part: Text): string => {
    if ('join' in part) return `(${part.parts.map(render).join(` ${part.join} `)})`
    if ('not' in part) return `NOT (${render(part.not)})`
    return renderTest(part.path, part.test, part.spelling, bind)
  }
  return { sql: render(text), parameters }
}

/** In clear a bigint is a number of the database; the encrypted property asks for one. */
function asParameter(value: unknown): unknown {
  return value
}

function renderTest(
  path: string,
  test: Test,
  spelling: Spelling,
  bind: (path: string, value: unknown, many?: boolean) => string,
): string {
  const word = (text: string) => (spelling === 'literal-case' ? text.toLowerCase() : text)
  if (test.op === 'null') return `${path} ${word('IS NULL')}`
  if ('parts' in test) {
    const parts = test.parts.map((part) => renderTest(path, part, spelling, bind))
    if (test.op === 'not') return `${word('NOT')} (${parts[0]})`
    return `(${parts.join(test.op === 'and' ? ' AND ' : ' OR ')})`
  }
  const [first, second] = test.values
  if (test.op === 'in')
    return test.values.length === 0
      ? `${path} IS NULL`
      : `${path} ${word('IN')} (${bind(path, test.values, true)})`
  if (test.op === 'between')
    return `${path} ${word('BETWEEN')} ${bind(path, first)} ${word('AND')} ${bind(path, second)}`
  if (test.op === 'like') return `${path} ${word('LIKE')} ${bind(path, first)}`
  const operator = test.op === 'value' ? '=' : test.op
  return spelling === 'swapped'
    ? `${bind(path, first)} ${OPPOSITE[operator]} ${path}`
    : `${path} ${operator} ${bind(path, first)}`
}
