import type { Query } from '../../key-store/store'
import type { KeyAccess } from '../../keys/access'
import { declaredIndexes, indexValues, type MadeIndex, NO_INDEX_VALUE } from '../index-values'
import type { KeyColumn } from '../job/key-columns'
import { endOfPage } from '../job/replace-rows'
import { quote, tablePath } from '../table-path'
import type { AdoptingColumn, AdoptingTable } from './adopting-table'
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
 * The values of a page whose token or bucket in the database is another one than it must be. The database
 * compares: one statement for each column that has an index.
 */
export async function findWrongIndexes(
  place: IndexPlace,
  values: readonly PlainValue[],
): Promise<ReadonlySet<PlainValue>> {
  const wrong = new Set<PlainValue>()
  for (const [column, own] of byColumn(values)) {
    if (column.indexColumns.length === 0) continue
    for (const value of await differing(place, column, own)) wrong.add(value)
  }
  return wrong
}

async function differing(
  { query, access, table, keys }: IndexPlace,
  column: AdoptingColumn,
  values: readonly PlainValue[],
): Promise<PlainValue[]> {
  const { definition, exactColumn, rangeColumn } = column
  const { bucketing } = definition
  const outcomes = indexValues(
    await declaredIndexes(access, definition),
    values.map(({ value }) => value),
  )
  const made = outcomes.map((index) => ('code' in index ? NO_INDEX_VALUE : index))
  const differs = [
    exactColumn && `r.${quote(exactColumn)} IS DISTINCT FROM decode(p.h, 'hex')`,
    rangeColumn && `r.${quote(rangeColumn)} IS DISTINCT FROM p.b::${bucketing?.columnType}`,
  ].filter((condition) => condition !== null)
  const names = keys.map((_, i) => `k${i + 1}`)
  const sameRow = keys.map(({ name, type }, i) => `r.${name} = p.k${i + 1}::${type}`).join(' AND ')
  const arrays = ['n', 'h', 'b', ...names].map((_, i) => `$${i + 1}::text[]`).join(', ')
  const stored = keys.map(({ name }) => `r.${name}`).join(', ')
  const rows = await query(
    `WITH page AS (SELECT * FROM unnest(${arrays}) AS p(n, h, b, ${names.join(', ')}))
      SELECT p.n FROM page AS p JOIN ${tablePath(table)} AS r ON ${sameRow}
      WHERE (${stored}) >= (${endOfPage(keys, '')}) AND (${stored}) <= (${endOfPage(keys, 'DESC')})
        AND (${differs.join(' OR ')})`,
    [
      values.map((_, i) => String(i)),
      made.map(({ token }) => token?.toString('hex') ?? null),
      made.map(({ bucket }) => bucket),
      ...names.map((_, i) => values.map(({ row }) => row.key[i])),
    ],
  )
  const different = new Set(rows.map(({ n }) => Number(n)))
  // What is wrong with a value that has no token or bucket is told where it is sealed.
  return values.filter((_, i) => different.has(i) || 'code' in (outcomes[i] as MadeIndex))
}
