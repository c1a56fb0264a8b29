import { FULL_BITS } from '../../blind-index/token'
import { askedColumn } from '../asked-column'
import { compilePredicate } from '../compile-predicate'
import { type Condition, isLossy, supersetSql } from '../condition'
import type { EncryptedColumn } from '../encrypted-column'
import { type ColumnMetadata, dataSourceOf, internalsOf } from '../internals'
import { refuseQuery } from '../predicate'
import { type AskedColumn, readComparison } from './comparison'
import { type EncryptedTables, encryptedTablesOf } from './encrypted-tables'
import { freshParameterName, parametersOf, withoutFreshNames } from './parameters'
import { hasValues, type ParameterValues, predicateOfQuestion } from './question-values'
import { findReferences, type Reference } from './references'
import { type Token, tokenize } from './tokens'

/** A statement that was read: what in it must be written differently. */
interface ReadStatement {
  readonly tokens: readonly Token[]
  readonly changes: readonly Change[]
}

interface Change {
  readonly reference: Reference
  /** Undefined where the token column takes the place of the name alone: GROUP BY and its NULL tests. */
  readonly asked: AskedColumn | undefined
  /** The other side of a comparison of two columns. */
  readonly other?: Reference
}

/**
 * The last reader of every statement: comparisons of encrypted columns whose meaning is certain become
 * comparisons of their tokens, and any other use of an envelope is refused.
 *
 * Reads a text once; the statements of a running application are found in a cache.
 *
 * @param complete - whether the statement is about to be sent. A subquery may still lack the values of
 *   its parameters; its comparisons are then left to the statement around it
 * @throws ERR_QUERY_UNSUPPORTED naming the property and the fix
 */
export function rewriteStatement(builder: object, sql: string, complete: boolean): string {
  const tables = encryptedTablesOf(dataSourceOf(builder))
  if (!tables.mentionedIn(sql)) return sql
  const { tokens, changes } = readCached(tables, sql)
  if (changes.length === 0) return sql
  const values = parametersOf(builder)
  let text = sql
  for (const change of changes.toReversed()) {
    const [first, last] = spanOf(change)
    const written = writeChange({ builder, sql, tokens, values, complete }, change)
    if (written === undefined) continue
    const start = (tokens[first] as Token).start
    text = text.slice(0, start) + written + text.slice((tokens[last] as Token).end)
  }
  return text
}

const MAX_CACHED = 500
const MAX_CACHED_LENGTH = 20_000
const caches = new WeakMap<EncryptedTables, Map<string, ReadStatement>>()

/** Texts with literals are not kept: a literal is a value. */
function readCached(tables: EncryptedTables, sql: string): ReadStatement {
  const cache = caches.get(tables) ?? new Map<string, ReadStatement>()
  caches.set(tables, cache)
  const key = withoutFreshNames(sql)
  const known = cache.get(key)
  if (known) return known
  const read = readStatement(tables, sql)
  const isKept =
    sql.length <= MAX_CACHED_LENGTH && !read.tokens.some(({ kind }) => kind === 'string')
  if (isKept) {
    if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value as string)
    cache.set(key, read.changes.length === 0 ? { tokens: [], changes: [] } : read)
  }
  return read
}

function readStatement(tables: EncryptedTables, sql: string): ReadStatement {
  const tokens = tokenize(sql)
  const references = findReferences(tokens, tables)
  const changes: Change[] = []
  const paired = new Set<Reference>()
  for (const reference of references) {
    if (paired.has(reference)) continue
    const change = changeOf(tokens, reference, references)
    if (change?.other) paired.add(change.other)
    if (change) changes.push(change)
  }
  return { tokens, changes: changes.sort((a, b) => spanOf(a)[0] - spanOf(b)[0]) }
}

/**
 * Whether a text compares encrypted columns in a way that would have to be rewritten.
 *
 * @throws ERR_QUERY_UNSUPPORTED where it uses one in a way that cannot be
 */
export function asksByToken(tables: EncryptedTables, sql: string): boolean {
  return readStatement(tables, sql).changes.length > 0
}

function spanOf({ reference, asked }: Change): readonly [number, number] {
  return asked ? [asked.first, asked.last] : [reference.first, reference.last]
}

/** What has to be done about a reference; undefined for one that may stand as it is. */
function changeOf(
  tokens: readonly Token[],
  reference: Reference,
  references: readonly Reference[],
): Change | undefined {
  const { use, column, derived } = reference
  if (use === 'output' || use === 'target') return undefined
  if (use === 'distinct') {
    throw refuseQuery(
      column.field,
      'DISTINCT would compare its ciphertext, which differs in every row; select the primary key ' +
        'as well, or leave DISTINCT out',
    )
  }
  if (use === 'group') return groupChange(reference, references)
  const asked = readComparison(tokens, reference) ?? readPair(tokens, reference, references)
  if (asked?.question.kind === 'count') return undefined
  if (asked?.question.kind === 'null') return nullTest(reference, references)
  if (!asked || derived) throw unreadable(column)
  const other = asked.question.kind === 'column' ? references[asked.question.other] : undefined
  return other ? { reference, asked, other } : { reference, asked }
}

function groupChange(reference: Reference, references: readonly Reference[]): Change {
  const { column, derived } = reference
  const isShown = references.some((one) => one.column === column && one.use === 'output')
  if (!derived && !isShown && hasFullToken(column)) return { reference, asked: undefined }
  throw refuseQuery(
    column.field,
    hasFullToken(column)
      ? 'grouped by it, a row holds no single envelope of it: leave it out of the selection'
      : 'GROUP BY would compare its ciphertext; declare exact, without bits, to group by it',
  )
}

/** NULL is NULL in every column of a property, but where a subject was shredded. */
function nullTest(reference: Reference, references: readonly Reference[]): Change | undefined {
  const { column, derived } = reference
  const isGrouped = references.some((one) => one.use === 'group' && one.column === column)
  return isGrouped && !derived && !column.subject ? { reference, asked: undefined } : undefined
}

/** `a.x = b.y`, where both have an untruncated token under one index key. */
function readPair(
  tokens: readonly Token[],
  { column, first, last }: Reference,
  references: readonly Reference[],
): AskedColumn | undefined {
  const operator = tokens[last + 1]?.value ?? ''
  if (!['=', '<>', '!='].includes(operator)) return undefined
  const other = references.findIndex((one) => one.first === last + 2)
  const right = references[other]
  if (!right || right.derived || !areComparable(column, right.column)) return undefined
  return { first, last: right.last, question: { kind: 'column', other, negated: operator !== '=' } }
}

function areComparable(a: EncryptedColumn, b: EncryptedColumn): boolean {
  const [left, right] = [a.field.indexName, b.field.indexName]
  const isSame = left.kind === right.kind && left.name === right.name
  return isSame && hasFullToken(a) && hasFullToken(b)
}

function hasFullToken({ hmac, field }: EncryptedColumn): boolean {
  return hmac !== null && field.exact?.bits === FULL_BITS
}

/** A statement that is written for one builder, with the values of its parameters. */
interface Writing {
  readonly builder: object
  readonly sql: string
  readonly tokens: readonly Token[]
  readonly values: ParameterValues
  readonly complete: boolean
}

function writeChange(
  { builder, sql, tokens, values, complete }: Writing,
  { reference, asked, other }: Change,
): string | undefined {
  const column = askedColumn(reference.column)
  const sqlOf = (one: Reference) => (hidden: ColumnMetadata) =>
    qualifierOf(sql, tokens, one) + internalsOf(builder).escape(hidden.databaseName)
  const token = () => sqlOf(reference)(column.hmac as ColumnMetadata)
  if (!asked) {
    if (hasFullToken(column)) return token()
    throw refuseQuery(column.field, 'while its index has fewer bits, it cannot be grouped by')
  }
  const { question } = asked
  if (question.kind === 'countDistinct') return countDistinct(column, token)
  if (question.kind === 'column' && other) {
    const operator = question.negated ? '<>' : '='
    const right = askedColumn(other.column)
    if (!areComparable(column, right)) throw unreadable(column)
    return `${token()} ${operator} ${sqlOf(other)(right.hmac as ColumnMetadata)}`
  }
  if (!hasValues(question, values)) {
    if (complete) throw refuseQuery(column.field, 'a parameter of its condition has no value')
    return undefined
  }
  const predicate = predicateOfQuestion(column.field, question, values)
  const target = {
    alias: '',
    column,
    sqlOf: sqlOf(reference),
    parameter: (value: unknown) => freshParameterName(builder, value),
  }
  return writeExact(column, compilePredicate(target, predicate as never))
}

function writeExact({ field }: EncryptedColumn, condition: Condition): string {
  if (!isLossy(condition)) return supersetSql(condition)
  throw refuseQuery(
    field,
    'rows must be opened to answer this, which only a condition in where() can; ON, HAVING, CASE, ' +
      'subqueries and statements that write need an exact index',
  )
}

function countDistinct(column: EncryptedColumn, token: () => string): string {
  if (hasFullToken(column)) return `COUNT(DISTINCT ${token()})`
  throw refuseQuery(
    column.field,
    'COUNT(DISTINCT …) would count its ciphertext; declare exact, without bits',
  )
}

/** The text before the column's own name. */
function qualifierOf(sql: string, tokens: readonly Token[], { first, last }: Reference): string {
  return sql.slice((tokens[first] as Token).start, (tokens[last] as Token).start)
}

function unreadable({ field }: EncryptedColumn): Error {
  return refuseQuery(
    field,
    'SQL text would compare its ciphertext; compare the property itself with a parameter, use find ' +
      'options, or an object in where()',
  )
}
