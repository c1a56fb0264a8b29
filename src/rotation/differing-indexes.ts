import type { Query } from '../key-store/store'
import type { EncryptedTable } from '../schema'
import type { IndexValue } from './index-values'
import type { KeyColumn } from './job/key-columns'
import { pageParameters } from './job/page-parameters'
import { sameRow, withinPage } from './job/replace-rows'
import type { SourceRow } from './job/table-task'
import { quote, tablePath } from './table-path'

/** The index columns of one field. */
export interface IndexColumns {
  readonly table: EncryptedTable
  readonly keys: readonly KeyColumn[]
  /** Null where there is none. */
  readonly token: string | null
  readonly bucket: string | null
  readonly bucketType: string
}

/** What the index columns of a row must hold. */
interface ExpectedIndexes {
  readonly row: SourceRow
  readonly index: IndexValue
}

/**
 * The values of a page whose stored token or bucket is another one than it must be. The database compares,
 * with one statement: a bucket has more than one text.
 *
 * @param values - of one field
 * @returns their places in `values`
 */
export async function differingIndexes(
  query: Query,
  columns: IndexColumns,
  values: readonly ExpectedIndexes[],
): Promise<ReadonlySet<number>> {
  const { table, keys, token, bucket, bucketType } = columns
  if (values.length === 0 || (token === null && bucket === null)) return new Set()
  const page = pageParameters(keys.length, [
    { name: 'n', type: 'integer' },
    { name: 't', type: 'bytea' },
    { name: 'b', type: bucketType },
  ])
  const differs = [
    ...(token === null ? [] : [`r.${quote(token)} IS DISTINCT FROM p.t`]),
    ...(bucket === null ? [] : [`r.${quote(bucket)} IS DISTINCT FROM p.b`]),
  ]
  const rows = await query(
    `WITH page AS (${page.sql}) SELECT p.n::text AS n
      FROM page AS p JOIN ${tablePath(table)} AS r ON ${sameRow(keys)}
      WHERE ${withinPage(keys)} AND (${differs.join(' OR ')})`,
    page.values(
      values.map(({ row, index }, i) => {
        return { key: row.key, parameters: [String(i), index.token, index.bucket] }
      }),
    ),
  )
  return new Set(rows.map(({ n }) => Number(n)))
}
