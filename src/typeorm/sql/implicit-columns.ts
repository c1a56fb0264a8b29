import type { Block, Meaning } from './block'
import { is, type Token } from './tokens'

/**
 * The envelope columns that a token compares or sorts by without naming them: by their place in the
 * SELECT list, as a whole row, or as the common columns of a natural join.
 */
export function implicitColumns(
  tokens: readonly Token[],
  block: Block,
  index: number,
  clause: string,
): Meaning[] {
  const token = tokens[index] as Token
  if (token.kind === 'number') return placeColumn(tokens, block, index, clause)
  if (is(token, 'natural')) return allColumns(block)
  const isRow = isWholeRow(tokens, index) && !isColumn(block, token.value)
  return isRow ? allColumns(block, token.value) : []
}

/** `ORDER BY 2`, `GROUP BY 2`. */
function placeColumn(
  tokens: readonly Token[],
  { outputs }: Block,
  index: number,
  clause: string,
): Meaning[] {
  const isKey = clause === 'order' || clause === 'group'
  if (!isKey || !is(tokens[index - 1], 'by', ',')) return []
  const column = outputs[Number(tokens[index]?.value) - 1]?.column
  return column ? [{ column, derived: true }] : []
}

/** An alias alone beside an operator: `p = q`, `p IS DISTINCT FROM q`. */
function isWholeRow(tokens: readonly Token[], index: number): boolean {
  const [before, token, after] = [tokens[index - 1], tokens[index], tokens[index + 1]]
  if (token?.kind !== 'word' && token?.kind !== 'quoted') return false
  if (is(before, '.') || is(after, '.', '(')) return false
  return before?.kind === 'operator' || after?.kind === 'operator' || is(after, 'is', 'in', 'not')
}

/** A column comes before the whole row of a table or alias with its name. */
function isColumn({ sources }: Block, name: string): boolean {
  return [...sources.values()].some(
    ({ columns, encrypted }) => columns?.has(name) || encrypted.has(name),
  )
}

function allColumns({ sources }: Block, alias?: string): Meaning[] {
  const named = alias === undefined ? [...sources.values()] : [sources.get(alias)]
  return named.flatMap((source) =>
    [...(source?.encrypted.values() ?? [])].map((column) => ({ column, derived: true })),
  )
}
