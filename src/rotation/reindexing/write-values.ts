import type { ParameterRow } from '../job/page-parameters'
import type { ReplacedColumn } from '../job/replace-rows'
import { quote } from '../table-path'
import { type ChangingColumn, writtenColumns } from './changing-table'
import { bucketType } from './differing-values'
import type { NextValue } from './next-values'

/** How a column of a page gets its tokens and buckets: while its row is the version that was read. */
export function nextColumn(column: ChangingColumn, at: number): ReplacedColumn {
  const n = at + 1
  const { token, bucket } = writtenColumns(column)
  const targets = [
    ...(token === null ? [] : [{ column: token, name: `t${n}`, type: 'bytea' }]),
    ...(bucket === null ? [] : [{ column: bucket, name: `b${n}`, type: bucketType(column) }]),
  ]
  const written = targets.map((one) => `r.${quote(one.column)} IS NOT DISTINCT FROM p.${one.name}`)
  return {
    parameters: [
      { name: `x${n}`, type: 'xid' },
      ...targets.map(({ name, type }) => ({ name, type })),
    ],
    wanted: `p.x${n} IS NOT NULL`,
    unchanged: `r.xmin = p.x${n}`,
    assign: Object.fromEntries(targets.map((one) => [one.column, `p.${one.name}`])),
    written: [`p.x${n} IS NOT NULL`, ...written].join(' AND '),
  }
}

/** The parameters of {@link nextColumn}. */
export function nextParameters(
  column: ChangingColumn,
): (value: NextValue | undefined) => ParameterRow['parameters'] {
  const { token, bucket } = writtenColumns(column)
  return (value) => [
    value ? String(value.row.values.x) : null,
    ...(token === null ? [] : [value?.index.token ?? null]),
    ...(bucket === null ? [] : [value?.index.bucket ?? null]),
  ]
}
