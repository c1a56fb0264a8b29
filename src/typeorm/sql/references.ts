import { type Block, createBlock, lookUp, type Meaning, mergeOutputs, type Output } from './block'
import type { EncryptedTables, Source } from './encrypted-tables'
import { implicitColumns } from './implicit-columns'
import { collectSources, readCommonTables, type SourceReader } from './sources'
import { closing, is, isName, type Token } from './tokens'

/** Where SQL text names an envelope column. */
export interface Reference extends Meaning {
  /** Token indexes of the name, qualifier included. */
  readonly first: number
  readonly last: number
  /**
   * `output`: shown as it is; `target`: written to; `group`: a key of GROUP BY; `distinct`: shown where
   * equal rows become one; `expression`: anything else.
   */
  use: 'output' | 'target' | 'group' | 'distinct' | 'expression'
}

type Clause =
  | 'start'
  | 'select'
  | 'from'
  | 'into'
  | 'set'
  | 'group'
  | 'order'
  | 'returning'
  | 'other'

const CLAUSES: ReadonlyMap<string, Clause> = new Map<string, Clause>([
  ['select', 'select'],
  ['from', 'from'],
  ['join', 'from'],
  ['into', 'into'],
  ['set', 'set'],
  ['group', 'group'],
  ['order', 'order'],
  ['returning', 'returning'],
  ...['where', 'on', 'having', 'window', 'limit', 'offset', 'fetch', 'values', 'for'].map(
    (word) => [word, 'other'] as const,
  ),
])

/** What a query is read for: by itself, as a source, as a test for any row, or as a value. */
type Role = 'statement' | 'exists' | 'operand'

/**
 * Finds every reference to an envelope column in one statement.
 *
 * Reads names, scopes and clauses by SQL's rules; what it cannot tell apart, it reports as a reference.
 */
export function findReferences(tokens: readonly Token[], tables: EncryptedTables): Reference[] {
  const walker = new Walker(tokens, tables)
  walker.query(0, tokens.length, undefined, 'statement')
  return walker.references
}

/** What the rows of a query show, as far as that is a column as it is. */
export function shownColumns(tokens: readonly Token[], tables: EncryptedTables): readonly Output[] {
  return new Walker(tokens, tables).query(0, tokens.length, undefined, 'statement').outputs
}

/** One reading of one statement. */
class Walker implements SourceReader {
  readonly references: Reference[] = []
  readonly sourceNames: Set<number> = new Set()
  /** Opening parentheses of the subqueries that were read as sources. */
  readonly #read = new Set<number>()
  /** Where the SELECT list that is being read begins. */
  #listStart = -1
  readonly tokens: readonly Token[]
  readonly tables: EncryptedTables

  constructor(tokens: readonly Token[], tables: EncryptedTables) {
    this.tokens = tokens
    this.tables = tables
  }

  subquery(from: number, to: number, parent: Block): Block {
    this.#read.add(from - 1)
    return this.query(from, to, parent, 'statement')
  }

  /** A query with its set operations and common table expressions. */
  query(from: number, to: number, parent: Block | undefined, role: Role): Block {
    const { tokens } = this
    const whole = createBlock(parent)
    const start = is(tokens[from], 'with') ? readCommonTables(this, whole, from) : from
    const before = this.references.length
    let distinct = false
    for (let arm = start; arm < to; ) {
      const end = this.#setOperation(arm, to)
      const block = this.#block(arm, end, whole, role)
      const { outputs } = block
      const merged = whole.outputs.length === 0 ? outputs : mergeOutputs(whole.outputs, outputs)
      whole.outputs.splice(0, whole.outputs.length, ...merged)
      if (end < to && !is(tokens[end + 1], 'all')) distinct = true
      arm = end < to && is(tokens[end + 1], 'all', 'distinct') ? end + 2 : end + 1
    }
    if (distinct) markDistinct(this.references.slice(before))
    return whole
  }

  #setOperation(from: number, to: number): number {
    const { tokens } = this
    for (let index = from; index < to; index++) {
      if (is(tokens[index], '(')) index = closing(tokens, index)
      else if (isSetOperation(tokens[index])) return index
    }
    return to
  }

  #block(from: number, to: number, parent: Block, role: Role): Block {
    const block = createBlock(parent)
    collectSources(this, block, from, to)
    const before = this.references.length
    this.#clauses(block, from, to, 'start')
    const own = this.references.slice(before).filter(({ use }) => use === 'output')
    if (role === 'operand') for (const reference of own) reference.use = 'expression'
    const { tokens } = this
    const isDistinct = is(tokens[from + 1], 'distinct') && !is(tokens[from + 2], 'on')
    if (isDistinct && !own.every((reference) => this.#showsKey(block, reference))) markDistinct(own)
    return block
  }

  /** Whether the rows that DISTINCT compares differ by the row's primary key anyway. */
  #showsKey({ outputs }: Block, { column, first, last }: Reference): boolean {
    const alias = last > first ? this.tokens[last - 2]?.value : undefined
    return column.main.entityMetadata.primaryColumns.every(({ databaseName }) =>
      outputs.some(({ path }) => path.at(-2) === alias && path.at(-1) === databaseName),
    )
  }

  #clauses(block: Block, from: number, to: number, initial: Clause): void {
    const { tokens } = this
    let clause = initial
    for (let index = from; index < to; ) {
      const token = tokens[index] as Token
      if (clause === 'select') this.#notePlace(block, index)
      if (is(token, '(')) index = this.#parenthesis(block, index, clause)
      else if (is(token, 'select')) {
        clause = 'select'
        index = this.#beginList(block, index + 1)
      } else if (token.kind === 'word' && CLAUSES.has(token.value) && !this.#isPart(index)) {
        clause = CLAUSES.get(token.value) as Clause
        index++
      } else if (clause === 'select' && is(token, '*')) index = this.#everything(block, index)
      else index = this.#name(block, index, to, clause)
    }
  }

  /** `IS DISTINCT FROM` is a comparison. */
  #isPart(index: number): boolean {
    return is(this.tokens[index], 'from') && is(this.tokens[index - 1], 'distinct')
  }

  /** Opens the first place of a SELECT list. @returns its index */
  #beginList(block: Block, from: number): number {
    const { tokens } = this
    let index = from
    if (is(tokens[index], 'all', 'distinct')) index++
    if (is(tokens[index], 'on') && is(tokens[from], 'distinct')) {
      const close = closing(tokens, index + 1)
      this.#expression(block, index + 2, close)
      index = close + 1
    }
    block.outputs.push(NOTHING)
    this.#listStart = index
    return index
  }

  /** Opens the next place of a SELECT list, or names the one that is open. */
  #notePlace({ outputs }: Block, index: number): void {
    const { tokens } = this
    if (is(tokens[index], ',')) outputs.push(NOTHING)
    const open = outputs.at(-1)
    if (open && is(tokens[index - 1], 'as')) {
      outputs[outputs.length - 1] = { ...open, name: tokens[index]?.value }
    }
  }

  /** @returns the index after the closing parenthesis */
  #parenthesis(block: Block, open: number, clause: Clause): number {
    const { tokens } = this
    const close = closing(tokens, open)
    if (this.#read.has(open)) return close + 1
    if (is(tokens[open + 1], 'select', 'with')) {
      const isTest = is(tokens[open - 1], 'exists')
      const isArm = clause === 'start'
      const inner = this.query(
        open + 1,
        close,
        block,
        isTest ? 'exists' : isArm ? 'statement' : 'operand',
      )
      if (isArm) block.outputs.push(...inner.outputs)
    } else if (clause === 'from') this.#clauses(block, open + 1, close, 'from')
    else if (clause !== 'into') this.#expression(block, open + 1, close)
    return close + 1
  }

  #expression(block: Block, from: number, to: number): void {
    for (let index = from; index < to; ) {
      index = is(this.tokens[index], '(')
        ? this.#parenthesis(block, index, 'other')
        : this.#name(block, index, to, 'other')
    }
  }

  /** Reads one token, or a name with its qualifiers. @returns the index after it */
  #name(block: Block, first: number, to: number, clause: Clause): number {
    const { tokens } = this
    if (clause !== 'select' && clause !== 'from') this.#implicit(block, first, clause)
    else if (is(tokens[first], 'natural')) this.#implicit(block, first, clause)
    if (!isName(tokens[first])) return first + 1
    let last = first
    while (last + 2 < to && is(tokens[last + 1], '.') && isName(tokens[last + 2])) last += 2
    if (this.sourceNames.has(first)) return last + 1
    if (is(tokens[last + 1], '.')) return this.#star(block, last, clause)
    if (is(tokens[first - 1], 'as', '::') || is(tokens[last + 1], '(')) return last + 1
    const path = tokens
      .slice(first, last + 1)
      .filter(isName)
      .map(({ value }) => value)
    const meaning = this.#meaningOf(block, path, clause)
    const use = this.#useOf(first, last, clause)
    if (use === 'output' && clause === 'select') {
      block.outputs[block.outputs.length - 1] = { name: path.at(-1), column: meaning?.column, path }
    }
    if (meaning) this.references.push({ ...meaning, first, last, use })
    return last + 1
  }

  #implicit(block: Block, index: number, clause: Clause): void {
    for (const meaning of implicitColumns(this.tokens, block, index, clause)) {
      this.references.push({ ...meaning, first: index, last: index, use: 'expression' })
    }
  }

  /** ORDER BY and GROUP BY see the names of the SELECT list first. */
  #meaningOf(block: Block, path: readonly string[], clause: Clause): Meaning | undefined {
    const isKey = path.length === 1 && (clause === 'order' || clause === 'group')
    const shown = isKey ? block.outputs.find(({ name }) => name === path[0]) : undefined
    // A table's own column that is shown under its own name is meant as the column.
    if (!shown || shown.path.at(-1) === path[0]) return lookUp(block, path)
    return shown.column && { column: shown.column, derived: true }
  }

  #useOf(first: number, last: number, clause: Clause): Reference['use'] {
    const { tokens } = this
    const before = tokens[first - 1]
    const after = tokens[last + 1]
    const begins = is(before, ',', 'returning', 'by', 'set') || first === this.#listStart
    const ends = after === undefined || is(after, ',', ')', 'as', 'from', ';', 'having', 'order')
    if (!begins) return 'expression'
    if (clause === 'set' && is(after, '=')) return 'target'
    if (clause === 'select' && (ends || isSetOperation(after) || after?.kind === 'quoted')) {
      return 'output'
    }
    if (clause === 'returning' && ends) return 'output'
    const endsKey = ends || isSetOperation(after) || is(after, 'limit', 'offset', 'for', 'window')
    return clause === 'group' && endsKey ? 'group' : 'expression'
  }

  /** `alias.*` shows every column of the alias. */
  #star(block: Block, last: number, clause: Clause): number {
    const source = block.sources.get(this.tokens[last]?.value as string)
    if (clause === 'select' && source) showAll(block, source)
    return last + 3
  }

  /** `*` shows every column of every source; elsewhere it multiplies. */
  #everything(block: Block, index: number): number {
    const isPlace = index === this.#listStart || is(this.tokens[index - 1], ',')
    if (isPlace) for (const source of block.sources.values()) showAll(block, source)
    return index + 1
  }
}

function showAll({ outputs }: Block, { encrypted }: Source): void {
  for (const [name, column] of encrypted) outputs.push({ name, column, path: [] })
}

/** A place that shows no envelope. */
const NOTHING = { name: undefined, column: undefined, path: [] }

function isSetOperation(token: Token | undefined): boolean {
  return is(token, 'union', 'intersect', 'except')
}

function markDistinct(references: readonly Reference[]): void {
  for (const reference of references) if (reference.use === 'output') reference.use = 'distinct'
}
