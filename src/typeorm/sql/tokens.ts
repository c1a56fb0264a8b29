/** What a token of SQL text is. Comments and white space are none. */
export type TokenKind =
  | 'word'
  | 'quoted'
  | 'string'
  | 'number'
  | 'parameter'
  | 'operator'
  | 'punctuation'

/** One token of SQL text. */
export interface Token {
  readonly kind: TokenKind
  /**
   * What it means: words in lower case as PostgreSQL folds them, identifiers and strings without their
   * quotes, parameters without colon; the text itself for everything else.
   */
  readonly value: string
  /** As written. */
  readonly text: string
  readonly start: number
  readonly end: number
  /** Set for `:...name`, which TypeORM expands to a list. */
  readonly spread?: boolean
}

const SPACE = /(?:\s+|--[^\n]*|\/\*[\s\S]*?\*\/)+/y
const PATTERNS: readonly (readonly [TokenKind, RegExp])[] = [
  ['string', /[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$/y],
  ['quoted', /"(?:[^"]|"")*"/y],
  ['word', /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y],
  ['number', /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y],
  ['punctuation', /::|[(),;[\]]|\.(?!\d)/y],
  ['parameter', /:(?:\.\.\.)?[A-Za-z0-9_.]+|\$\d+/y],
  ['operator', /(?:(?!--|\/\*)[-+*/<>=~!@#%^&|?`])+/y],
]

/**
 * Splits SQL text into PostgreSQL's tokens, with TypeORM's named parameters among them.
 *
 * A character that begins no token is one of its own kind of punctuation, so that every text has tokens.
 *
 * @see PostgreSQL manual, 4.1 "Lexical Structure"
 */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = []
  for (let position = skipSpace(sql, 0); position < sql.length; ) {
    const token = readToken(sql, position)
    tokens.push(token)
    position = skipSpace(sql, token.end)
  }
  return tokens
}

function skipSpace(sql: string, position: number): number {
  SPACE.lastIndex = position
  return SPACE.test(sql) ? SPACE.lastIndex : position
}

function readToken(sql: string, start: number): Token {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = start
    const text = pattern.exec(sql)?.[0]
    if (text === undefined) continue
    const taken = kind === 'operator' ? operatorOf(text) : text
    const token = {
      kind,
      value: VALUES[kind](taken),
      text: taken,
      start,
      end: start + taken.length,
    }
    return kind === 'parameter' && taken.startsWith(':...') ? { ...token, spread: true } : token
  }
  const text = sql[start] as string
  return { kind: 'punctuation', value: text, text, start, end: start + 1 }
}

/** An operator ends in a sign only beside one of `~!@#%^&|?` and the backtick: `x =-1` is `x = -1`. */
function operatorOf(text: string): string {
  return /[~!@#%^&|?`]/.test(text) ? text : text.replace(/(?<=.)[-+]+$/, '')
}

const asWritten = (text: string): string => text

const VALUES: Readonly<Record<TokenKind, (text: string) => string>> = {
  word: (text) => text.toLowerCase(),
  quoted: (text) => text.slice(1, -1).replaceAll('""', '"'),
  string: stringValue,
  parameter: (text) => text.replace(/^:(?:\.\.\.)?/, ''),
  number: asWritten,
  operator: asWritten,
  punctuation: asWritten,
}

/** Of the plain form only; those with escapes keep their prefix and are no value that is understood. */
function stringValue(text: string): string {
  return text.startsWith("'") ? text.slice(1, -1).replaceAll("''", "'") : text
}

/** Whether the token is this keyword or piece of punctuation, never a quoted name or a string. */
export function is(token: Token | undefined, ...values: readonly string[]): boolean {
  return (
    token !== undefined &&
    (token.kind === 'word' || token.kind === 'punctuation' || token.kind === 'operator') &&
    values.includes(token.value)
  )
}

/** Whether the token may name something. */
export function isName(token: Token | undefined): token is Token {
  return token?.kind === 'word' || token?.kind === 'quoted'
}

/** The index of the parenthesis that closes the one at `open`, or the end of the text. */
export function closing(tokens: readonly Token[], open: number): number {
  let depth = 0
  for (let index = open; index < tokens.length; index++) {
    if (is(tokens[index], '(')) depth++
    else if (is(tokens[index], ')') && --depth === 0) return index
  }
  return tokens.length
}
