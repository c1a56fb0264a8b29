/**
 * Rows of cells as lines of text, every column as wide as its widest cell. Columns of numbers stand
 * at the right.
 *
 * @param head - names of the columns
 */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  const cells = [head, ...rows].map((row) => row.map(cellText))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const right = head.map((_, column) => rows.some((row) => typeof row[column] === 'number'))
  const pad = (text: string, column: number): string =>
    right[column] ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)
  return cells.map((row) => row.map(pad).join('  ').trimEnd())
}

function cellText(cell: string | number): string {
  return typeof cell === 'number' ? grouped(cell) : cell
}

/** A whole number with its thousands apart, the same in every locale. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US')
}

/** `1 value`, `2,000 values`. */
export function counted(value: number, noun: string): string {
  return `${grouped(value)} ${noun}${value === 1 ? '' : 's'}`
}
