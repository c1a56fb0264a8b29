import type { ParameterRow } from './page-parameters'
import type { SourceRow } from './table-task'

/** What is written of one column of a row. */
interface PlacedValue {
  readonly row: SourceRow
  /** Place of the column in its table. */
  readonly at: number
}

/**
 * The rows of a page that are written, each once, whatever the number of its values.
 *
 * @param columns - in their order: what each has in a row; undefined where it stays as it is
 */
export function parameterRows<Value extends PlacedValue>(
  values: readonly Value[],
  columns: readonly ((value: Value | undefined) => ParameterRow['parameters'])[],
): ParameterRow[] {
  const rows = new Map<SourceRow, (Value | undefined)[]>()
  for (const value of values) {
    const ofRow = rows.get(value.row) ?? new Array<undefined>(columns.length).fill(undefined)
    rows.set(value.row, ofRow)
    ofRow[value.at] = value
  }
  return [...rows].map(([{ key }, ofRow]) => {
    const parameters: ParameterRow['parameters'][number][] = []
    columns.forEach((parametersOf, at) => {
      parameters.push(...parametersOf(ofRow[at]))
    })
    return { key, parameters }
  })
}
