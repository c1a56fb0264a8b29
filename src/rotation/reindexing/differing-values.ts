import type { Query } from '../../key-store/store'
import { differingIndexes } from '../differing-indexes'
import type { KeyColumn } from '../job/key-columns'
import { type ChangingColumn, type ChangingTable, writtenColumns } from './changing-table'
import type { NextValue } from './next-values'

/**
 * The values of a page whose stored token or bucket is another one than it must be: one statement for each
 * column.
 */
export async function differingValues(
  query: Query,
  place: { readonly table: ChangingTable; readonly keys: readonly KeyColumn[] },
  values: readonly NextValue[],
): Promise<NextValue[]> {
  const all: NextValue[] = []
  for (const [at, column] of place.table.columns.entries()) {
    const own = values.filter((value) => value.at === at)
    const columns = { ...place, ...writtenColumns(column), bucketType: bucketType(column) }
    const differing = await differingIndexes(query, columns, own)
    all.push(...own.filter((_, i) => differing.has(i)))
  }
  return all
}

/** The type of a column's buckets in the generation to come. */
export function bucketType({ change }: ChangingColumn): string {
  return change.next.bucketing?.columnType ?? 'text'
}
