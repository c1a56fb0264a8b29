import type { KeyAccess } from '../../keys/access'
import {
  type IndexValue,
  indexValues,
  type MadeIndex,
  type MadeIndexes,
  NO_INDEX_VALUE,
} from '../index-values'
import type { FailedValue, SourceRow } from '../job/table-task'
import { type OpenedValue, openRows } from '../open-rows'
import { type ChangingColumn, writtenColumns } from './changing-table'

/** What the columns of the generation to come must hold for one value. */
export interface NextValue {
  readonly row: SourceRow
  /** Place of the column in its table. */
  readonly at: number
  /** Nulls for a value that is NULL or shredded. */
  readonly index: IndexValue
}

/** Gives the tokens and buckets that a page of rows must have. */
export type NextValuesOf = (rows: readonly SourceRow[]) => Promise<{
  readonly values: readonly NextValue[]
  readonly failed: readonly FailedValue[]
}>

/**
 * Makes what opens the values of a page and computes their tokens and buckets of the generation to come.
 *
 * @param dryRun - makes no tokens, for which there may be no key yet; what would fail fails alike
 */
export function nextValuesOf(
  access: KeyAccess,
  columns: readonly ChangingColumn[],
  dryRun: boolean,
): NextValuesOf {
  return async (rows) => {
    const opened = await openRows(access, columns, rows)
    const values: NextValue[] = []
    const failed: FailedValue[] = []
    for (const [at, column] of columns.entries()) {
      const own = opened.map((ofRow) => ofRow[at] ?? NULL)
      const present = own.flatMap((one) => (one.kind === 'value' ? [one.value] : []))
      const made = indexValues(await nextIndexes(access, column, dryRun), present).values()
      own.forEach((one, i) => {
        const row = rows[i] as SourceRow
        const index = one.kind === 'value' ? (made.next().value as MadeIndex) : withoutValue(one)
        if ('code' in index) failed.push({ key: row.key, column: column.column, code: index.code })
        else values.push({ row, at, index })
      })
    }
    return { values, failed }
  }
}

function withoutValue(one: Exclude<OpenedValue, { kind: 'value' }>): MadeIndex {
  return one.kind === 'failed' ? one : NO_INDEX_VALUE
}

const NULL: OpenedValue = { kind: 'null' }

async function nextIndexes(
  access: KeyAccess,
  column: ChangingColumn,
  dryRun: boolean,
): Promise<MadeIndexes> {
  const { next } = column.change
  const { token, bucket } = writtenColumns(column)
  const [hasToken, hasBucket] = [token !== null, bucket !== null]
  const tokenKey = hasToken && !dryRun ? await access.tokenKey(next.indexName) : null
  return { field: next, hasToken, hasBucket, tokenKey }
}
