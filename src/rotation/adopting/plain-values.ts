import { concernsAll } from '../../envelope/one-value'
import { isMortiseError, type MortiseErrorCode } from '../../errors'
import type { FailedValue, SourceRow } from '../job/table-task'
import { failureOf } from '../opened-page'
import { type AdoptingColumn, cellOf, holdsValue } from './adopting-table'

/** A value in clear, in its place. */
export interface PlainValue {
  readonly row: SourceRow
  /** Place of the column in its table. */
  readonly at: number
  readonly column: AdoptingColumn
  /** As the application has it. */
  readonly value: unknown
}

/**
 * Reads the values of a page as the application does.
 *
 * @param isWanted - of a row and the place of a column whose value is not NULL
 */
export function plainValues(
  columns: readonly AdoptingColumn[],
  rows: readonly SourceRow[],
  isWanted: (row: SourceRow, at: number) => boolean,
): { readonly values: PlainValue[]; readonly failed: FailedValue[] } {
  const values: PlainValue[] = []
  const failed: FailedValue[] = []
  for (const row of rows) {
    columns.forEach((column, at) => {
      if (!holdsValue(row, at) || !isWanted(row, at)) return
      try {
        values.push({ row, at, column, value: column.adopted.valueOf(cellOf(row, 'a', at)) })
      } catch (error) {
        failed.push(failureOf({ row, column }, codeOf(error)))
      }
    })
  }
  return { values, failed }
}

/**
 * What a report says of an error: what is wrong with one value must not end the work on the others. What
 * a transformer of the application throws may show the value, and is not kept.
 *
 * @throws the error itself where it concerns more than one value
 */
export function codeOf(error: unknown): MortiseErrorCode {
  if (!isMortiseError(error)) return 'ERR_VALUE_INVALID'
  if (concernsAll(error)) throw error
  return error.code
}
