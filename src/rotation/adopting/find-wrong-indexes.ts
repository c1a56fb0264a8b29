import type { Query } from '../../key-store/store'
import type { KeyAccess } from '../../keys/access'
import { differingIndexes } from '../differing-indexes'
import { declaredIndexes, indexValues, NO_INDEX_VALUE } from '../index-values'
import type { KeyColumn } from '../job/key-columns'
import type { AdoptingTable } from './adopting-table'
import type { PlainValue } from './plain-values'
import { byColumn } from './seal-values'

/** Where indexes are compared. */
export interface IndexPlace {
  readonly query: Query
  readonly access: KeyAccess
  readonly table: AdoptingTable
  readonly keys: readonly KeyColumn[]
}

/**
 * The values of a page whose token or bucket in the database is another one than it must be: one statement
 * for each column that has an index.
 */
export async function findWrongIndexes(
  { query, access, table, keys }: IndexPlace,
  values: readonly PlainValue[],
): Promise<ReadonlySet<PlainValue>> {
  const wrong = new Set<PlainValue>()
  for (const [column, own] of byColumn(values)) {
    const { definition, exactColumn: token, rangeColumn: bucket } = column
    const bucketType = definition.bucketing?.columnType ?? 'text'
    const made = indexValues(
      await declaredIndexes(access, definition),
      own.map(({ value }) => value),
    )
    const expected = made.map((index, i) => {
      const { row } = own[i] as PlainValue
      return { row, index: 'code' in index ? NO_INDEX_VALUE : index }
    })
    const differing = await differingIndexes(
      query,
      { table, keys, token, bucket, bucketType },
      expected,
    )
    made.forEach((index, i) => {
      // What is wrong with a value that has no token or bucket is told where it is sealed.
      if (differing.has(i) || 'code' in index) wrong.add(own[i] as PlainValue)
    })
  }
  return wrong
}
