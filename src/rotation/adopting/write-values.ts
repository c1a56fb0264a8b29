import { toStored } from '../../envelope/stored-form'
import type { Query } from '../../key-store/store'
import { NO_INDEX_VALUE } from '../index-values'
import type { KeyColumn } from '../job/key-columns'
import type { ParameterRow } from '../job/page-parameters'
import { parameterRows } from '../job/parameter-rows'
import { type ReplacedColumn, replaceRows } from '../job/replace-rows'
import type { PageWritten, SourceRow } from '../job/table-task'
import { type RefusedRow, writeApart } from '../job/write-apart'
import { quote } from '../table-path'
import { type AdoptingColumn, type AdoptingTable, versionOf } from './adopting-table'
import type { SealedValue } from './seal-values'

/** What the columns of one property get in a row: a value, or NULL. */
export interface WrittenValue {
  readonly row: SourceRow
  /** Place of the column in its table. */
  readonly at: number
  readonly sealed: SealedValue | null
}

/** What is to be written of a value that was sealed. */
export function writtenValue(sealed: SealedValue): WrittenValue {
  const { row, at } = sealed.value.plain
  return { row, at, sealed }
}

/**
 * Writes the statement that puts envelopes, tokens and buckets of a page into their columns; a row that
 * was written since it was read stays as it is, and a value that must be unique and is not fails alone.
 */
export function writeValues(
  table: AdoptingTable,
  keys: readonly KeyColumn[],
): (query: Query, values: readonly WrittenValue[]) => Promise<PageWritten> {
  const columns = table.columns.map(writtenColumn)
  const write = writeApart(replaceRows(table, keys, columns), (row, detail) =>
    withoutRefused(table, columns, row, detail),
  )
  const parameters = table.columns.map(parametersOf)
  return (query, values) => write(query, parameterRows(values, parameters))
}

/** Takes out the value that the database names, or the first that has a token. */
function withoutRefused(
  { columns }: AdoptingTable,
  written: readonly ReplacedColumn[],
  { key, parameters }: ParameterRow,
  detail: string,
): RefusedRow {
  const lengths = written.map((column) => column.parameters.length)
  const startOf = (at: number) => lengths.slice(0, at).reduce((sum, length) => sum + length, 0)
  const given = columns.map((_, at) => at).filter((at) => parameters[startOf(at)] !== null)
  const indexed = given.filter((at) => columns[at]?.exactColumn !== null)
  const named = indexed.find((at) => detail.includes(columns[at]?.exactColumn as string))
  const refused = named ?? indexed[0] ?? (given[0] as number)
  const start = startOf(refused)
  const rest = parameters.map((one, i) =>
    i >= start && i < start + (lengths[refused] as number) ? null : one,
  )
  const { column } = columns[refused] as AdoptingColumn
  return {
    failed: { key, column, code: 'ERR_NOT_UNIQUE' },
    rest: given.length > 1 ? { key, parameters: rest } : null,
  }
}

function parametersOf({ form, exactColumn, rangeColumn }: AdoptingColumn) {
  return (value: WrittenValue | undefined): ParameterRow['parameters'] => {
    const sealed = value?.sealed ?? null
    const { token, bucket } = sealed?.value.index ?? NO_INDEX_VALUE
    return [
      value ? versionOf(value.row) : null,
      sealed && toStored(sealed.envelope, form),
      ...(exactColumn === null ? [] : [token]),
      ...(rangeColumn === null ? [] : [bucket]),
    ]
  }
}

function writtenColumn(column: AdoptingColumn, at: number): ReplacedColumn {
  const n = at + 1
  const { definition, exactColumn, rangeColumn, form } = column
  const bucketType = definition.bucketing?.columnType ?? 'text'
  return {
    parameters: [
      { name: `v${n}`, type: 'xid' },
      { name: `e${n}`, type: form },
      ...(exactColumn === null ? [] : [{ name: `h${n}`, type: 'bytea' }]),
      ...(rangeColumn === null ? [] : [{ name: `b${n}`, type: bucketType }]),
    ],
    wanted: `p.v${n} IS NOT NULL`,
    unchanged: `r.xmin = p.v${n}`,
    assign: {
      [column.column]: `p.e${n}`,
      ...(exactColumn === null ? {} : { [exactColumn]: `p.h${n}` }),
      ...(rangeColumn === null ? {} : { [rangeColumn]: `p.b${n}` }),
    },
    written: `p.v${n} IS NOT NULL AND r.${quote(column.column)} IS NOT DISTINCT FROM p.e${n}`,
  }
}
