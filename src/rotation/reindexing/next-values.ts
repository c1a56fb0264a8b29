import { tokenOf } from '../../blind-index/token'
import { attempt } from '../../envelope/one-value'
import type { KeyAccess, TokenKey } from '../../keys/access'
import type { FailedValue, SourceRow } from '../job/table-task'
import { openRows } from '../open-rows'
import { type ChangingColumn, writtenColumns } from './changing-table'

/** What the columns of the generation to come must hold for one value. */
export interface NextValue {
  readonly row: SourceRow
  /** Place of the column in its table. */
  readonly at: number
  /** Null for a value that is NULL or shredded, and where no tokens are made. */
  readonly token: Buffer | null
  /** Text; null as the token. */
  readonly bucket: string | null
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
    const keys: (TokenKey | null)[] = []
    for (const column of columns) {
      const isWanted = writtenColumns(column).token !== null && !dryRun
      keys.push(isWanted ? await access.tokenKey(column.change.next.indexName) : null)
    }
    const values: NextValue[] = []
    const failed: FailedValue[] = []
    rows.forEach((row, i) => {
      columns.forEach((column, at) => {
        const value = opened[i]?.[at] ?? { kind: 'null' }
        const made =
          value.kind === 'value'
            ? attempt(() => nextValue(column, value.value, keys[at] ?? null))
            : value.kind === 'failed'
              ? value
              : NOTHING
        if ('code' in made) failed.push({ key: row.key, column: column.column, code: made.code })
        else values.push({ row, at, ...made })
      })
    })
    return { values, failed }
  }
}

const NOTHING = { token: null, bucket: null }

function nextValue(
  column: ChangingColumn,
  value: unknown,
  key: TokenKey | null,
): Pick<NextValue, 'token' | 'bucket'> {
  const { next } = column.change
  const { token, bucket } = writtenColumns(column)
  const encoded = token === null ? null : next.encodeForToken(value)
  return {
    token: key && encoded && tokenOf(key, encoded),
    bucket: bucket === null ? null : String(next.bucketOf(value)),
  }
}
