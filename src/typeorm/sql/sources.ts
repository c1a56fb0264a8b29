import { type Block, commonTable, derivedSource } from './block'
import type { EncryptedTables, Source } from './encrypted-tables'
import { closing, is, isName, type Token } from './tokens'

/** What reads a subquery of FROM or WITH, and remembers that it was read. */
export interface SourceReader {
  readonly tokens: readonly Token[]
  readonly tables: EncryptedTables
  /** Tokens that name a table or give it an alias: no columns, whatever columns are called. */
  readonly sourceNames: Set<number>
  /** Reads the query between two token indexes. */
  subquery(from: number, to: number, parent: Block): Block
}

const UNKNOWN: Source = { encrypted: new Map(), columns: null, derived: true }

/** Words that follow a table in FROM and are no alias. */
const AFTER_TABLE: ReadonlySet<string> = new Set([
  ...[
    'on',
    'where',
    'join',
    'inner',
    'left',
    'right',
    'full',
    'cross',
    'natural',
    'using',
    'group',
  ],
  ...['order', 'having', 'limit', 'offset', 'fetch', 'for', 'window', 'set', 'returning', 'values'],
  ...['union', 'intersect', 'except', 'select', 'default', 'tablesample', 'overriding'],
])

/**
 * Finds what the names of one block stand for: tables and subqueries of FROM and JOIN, and the table of
 * an INSERT, UPDATE or DELETE.
 */
export function collectSources(reader: SourceReader, block: Block, from: number, to: number): void {
  const { tokens } = reader
  for (let index = from; index < to; ) {
    if (is(tokens[index], '(')) index = closing(tokens, index) + 1
    else if (namesSources(tokens, from, index)) index = readItems(reader, block, index + 1, to)
    else index++
  }
}

/** Not `IS DISTINCT FROM`, `FOR UPDATE`, `DO UPDATE`, nor the USING of a join. */
function namesSources(tokens: readonly Token[], from: number, index: number): boolean {
  const token = tokens[index]
  if (is(token, 'join')) return true
  if (is(token, 'from')) return !is(tokens[index - 1], 'distinct')
  if (is(token, 'into')) return is(tokens[index - 1], 'insert')
  return (
    (is(token, 'update') && index === from) || (is(token, 'using') && is(tokens[from], 'delete'))
  )
}

/** The items of a list in FROM. */
function readItems(reader: SourceReader, block: Block, from: number, to: number): number {
  let index = readItem(reader, block, from, to)
  while (is(reader.tokens[index], ',')) index = readItem(reader, block, index + 1, to)
  return index
}

function readItem(reader: SourceReader, block: Block, from: number, to: number): number {
  const { tokens } = reader
  let index = from
  while (is(tokens[index], 'only', 'lateral')) index++
  if (is(tokens[index], '(')) return readParenthesized(reader, block, index)
  const path: string[] = []
  reader.sourceNames.add(index)
  for (; index < to && isName(tokens[index]); index += 2) {
    path.push((tokens[index] as Token).value)
    if (!is(tokens[index + 1], '.')) break
  }
  if (path.length === 0) return index
  index++
  const isCall = is(tokens[index], '(') && !is(tokens[from - 1], 'into')
  if (isCall) index = closing(tokens, index) + 1
  const source = isCall ? UNKNOWN : tableOrCommonTable(reader, block, path)
  return nameSource(reader, block, index, source, path.at(-1))
}

/** A subquery, or joins in parentheses, whose names are seen outside of them. */
function readParenthesized(reader: SourceReader, block: Block, open: number): number {
  const { tokens } = reader
  const close = closing(tokens, open)
  if (!is(tokens[open + 1], 'select', 'with', 'values', '(')) {
    readItems(reader, block, open + 1, close)
    collectSources(reader, block, open + 1, close)
    return nameSource(reader, block, close + 1, undefined, undefined)
  }
  const { outputs } = reader.subquery(open + 1, close, block)
  return nameSource(reader, block, close + 1, derivedSource(outputs), undefined)
}

function tableOrCommonTable({ tables }: SourceReader, block: Block, path: string[]): Source {
  const common = path.length === 1 ? commonTable(block, path[0] as string) : undefined
  return common ?? tables.find(path) ?? UNKNOWN
}

/** @returns the index after the alias */
function nameSource(
  { tokens, sourceNames }: SourceReader,
  block: Block,
  from: number,
  source: Source | undefined,
  ownName: string | undefined,
): number {
  const index = is(tokens[from], 'as') ? from + 1 : from
  const token = tokens[index]
  const isAlias =
    isName(token) && (token.kind === 'quoted' || index > from || !AFTER_TABLE.has(token.value))
  if (isAlias) sourceNames.add(index)
  const name = isAlias ? token.value : ownName
  if (source && name !== undefined) block.sources.set(name, source)
  return isAlias ? index + 1 : index
}

/** Reads `WITH name [(columns)] AS (query), …`; returns the index after it. */
export function readCommonTables(reader: SourceReader, block: Block, from: number): number {
  const { tokens } = reader
  let index = is(tokens[from + 1], 'recursive') ? from + 2 : from + 1
  for (;;) {
    const name = tokens[index]?.value ?? ''
    const columns = is(tokens[index + 1], '(') ? namesIn(tokens, index + 1) : undefined
    let open = columns ? closing(tokens, index + 1) + 1 : index + 1
    while (open < tokens.length && !is(tokens[open], '(')) open++
    const close = closing(tokens, open)
    // Known by its name inside of itself as well, where it may be recursive.
    block.commonTables.set(name, UNKNOWN)
    const { outputs } = reader.subquery(open + 1, close, block)
    block.commonTables.set(name, derivedSource(outputs, columns))
    if (!is(tokens[close + 1], ',')) return close + 1
    index = close + 2
  }
}

function namesIn(tokens: readonly Token[], open: number): string[] {
  const close = closing(tokens, open)
  return tokens.slice(open + 1, close).flatMap((token) => (isName(token) ? [token.value] : []))
}
