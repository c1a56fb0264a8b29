import type { EncryptedColumn } from '../encrypted-column'
import type { Source } from './encrypted-tables'

/** What a SELECT list shows at one place. */
export interface Output {
  readonly name: string | undefined
  /** Set where the place shows an envelope as it is. */
  readonly column: EncryptedColumn | undefined
  /** `[alias, column]` where the place shows a column as it is, whichever it is. */
  readonly path: readonly string[]
}

/** One SELECT, INSERT, UPDATE or DELETE, with the names that are seen inside of it. */
export interface Block {
  readonly parent: Block | undefined
  readonly sources: Map<string, Source>
  /** Common table expressions. */
  readonly commonTables: Map<string, Source>
  readonly outputs: Output[]
}

/** A block without any names of its own yet. */
export function createBlock(parent: Block | undefined): Block {
  return { parent, sources: new Map(), commonTables: new Map(), outputs: [] }
}

/** What a column name in SQL text means. */
export interface Meaning {
  readonly column: EncryptedColumn
  readonly derived: boolean
}

/**
 * Looks up a column name by SQL's rules: an alias in the innermost block that has it, a bare name in
 * the innermost block that has such a column. Where a source in between might have it too, for all
 * that is known, the meaning is a derived one: it may be refused, and not rewritten.
 *
 * @param names - `[column]`, `[alias, column]` or longer
 * @returns undefined for what is surely not an envelope
 */
export function lookUp(block: Block, names: readonly string[]): Meaning | undefined {
  const [name = '', alias] = names.toReversed()
  let uncertain = false
  for (let scope: Block | undefined = block; scope; scope = scope.parent) {
    if (alias !== undefined) {
      const source = scope.sources.get(alias)
      if (source) return meaningIn(source, name)
      continue
    }
    const sources = [...scope.sources.values()]
    const found = sources.map((source) => meaningIn(source, name)).find(Boolean)
    uncertain ||= sources.some(({ columns }) => columns === null)
    if (found) return { ...found, derived: found.derived || uncertain }
    if (sources.some(({ columns }) => columns?.has(name))) return undefined
  }
  return undefined
}

function meaningIn({ encrypted, derived }: Source, name: string): Meaning | undefined {
  const column = encrypted.get(name)
  return column && { column, derived }
}

/** A common table expression, in this block or around it. */
export function commonTable(block: Block, name: string): Source | undefined {
  for (let scope: Block | undefined = block; scope; scope = scope.parent) {
    const source = scope.commonTables.get(name)
    if (source) return source
  }
  return undefined
}

/** A subquery seen as a source: what its SELECT list shows, under its names or those it is given. */
export function derivedSource(outputs: readonly Output[], renamed: readonly string[] = []): Source {
  const encrypted = new Map<string, EncryptedColumn>()
  outputs.forEach(({ name, column }, index) => {
    const shown = renamed[index] ?? name
    if (column && shown !== undefined) encrypted.set(shown, column)
  })
  return { encrypted, columns: null, derived: true }
}

/** The places of a set operation have the names of its first SELECT, and the values of all. */
export function mergeOutputs(first: readonly Output[], other: readonly Output[]): Output[] {
  return first.map((output, index) => ({
    ...output,
    column: output.column ?? other[index]?.column,
  }))
}
