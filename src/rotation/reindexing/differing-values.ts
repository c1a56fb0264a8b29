import type { Query } from '../../key-store/store'
import type { KeyColumn } from '../job/key-columns'
import { quote, tablePath } from '../table-path'
import { type ChangingColumn, type ChangingTable, writtenColumns } from './changing-table'
import type { NextValue } from './next-values'

/**
 * The values of a page whose stored token or bucket is another one than it must be. The database compares:
 * a bucket has more than one text. One statement for each column.
 */
export async function differingValues(
  query: Query,
  place: { readonly table: ChangingTable; readonly keys: readonly KeyColumn[] },
  values: readonly NextValue[],
): Promise<NextValue[]> {
  const differing: NextValue[] = []
  for (const [at, column] of place.table.columns.entries()) {
    const own = values.filter((value) => value.at === at)
    if (own.length === 0) continue
    const { token, bucket } = writtenColumns(column)
    const rows = await query(statement(place, column), [
      ...place.keys.map((_, i) => own.map(({ row }) => row.key[i])),
      ...(token === null ? [] : [own.map(({ index }) => index.token?.toString('hex') ?? null)]),
      ...(bucket === null ? [] : [own.map(({ index }) => index.bucket)]),
    ])
    differing.push(...rows.map(({ n }) => own[Number(n) - 1] as NextValue))
  }
  return differing
}

function statement(
  { table, keys }: { readonly table: ChangingTable; readonly keys: readonly KeyColumn[] },
  column: ChangingColumn,
): string {
  const { token, bucket } = writtenColumns(column)
  const k = keys.map((_, i) => `k${i + 1}`)
  const given = [...k, ...(token === null ? [] : ['t']), ...(bucket === null ? [] : ['b'])]
  const arrays = given.map((_, i) => `$${i + 1}::text[]`).join(', ')
  const sameRow = keys.map(({ name, type }, i) => `r.${name} = p.k${i + 1}::${type}`).join(' AND ')
  const differs = [
    ...(token === null ? [] : [`r.${quote(token)} IS DISTINCT FROM decode(p.t, 'hex')`]),
    ...(bucket === null ? [] : [`r.${quote(bucket)} IS DISTINCT FROM p.b::${bucketType(column)}`]),
  ]
  return `SELECT p.n::text AS n FROM unnest(${arrays}) WITH ORDINALITY AS p(${given.join(', ')}, n)
    JOIN ${tablePath(table)} AS r ON ${sameRow} WHERE ${differs.join(' OR ')} ORDER BY p.n`
}

/** The type of a column's buckets in the generation to come. */
export function bucketType({ change }: ChangingColumn): string {
  return change.next.bucketing?.columnType ?? 'text'
}
