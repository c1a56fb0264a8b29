import type { ParameterRow } from '../job/page-parameters'
import type { ReplacedColumn } from '../job/replace-rows'
import type { SourceRow } from '../job/table-task'
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

/** The rows of a page that get values, with the parameters of {@link nextColumn}. */
export function parametersOf(
  columns: readonly ChangingColumn[],
  values: readonly NextValue[],
): ParameterRow[] {
  const byRow = new Map<SourceRow, NextValue[]>()
  for (const value of values) byRow.set(value.row, [...(byRow.get(value.row) ?? []), value])
  return [...byRow].map(([row, ofRow]) => ({
    key: row.key,
    parameters: columns.flatMap((column, at) => {
      const value = ofRow.find((one) => one.at === at)
      const { token, bucket } = writtenColumns(column)
      return [
        value ? String(row.values.x) : null,
        ...(token === null ? [] : [value?.index.token ?? null]),
        ...(bucket === null ? [] : [value?.index.bucket ?? null]),
      ]
    }),
  }))
}
