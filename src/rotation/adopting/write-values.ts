import type { Query } from '../../key-store/store'
import type { KeyColumn } from '../job/key-columns'
import { type ReplacedColumn, type ReplacedRow, replaceRows } from '../job/replace-rows'
import type { FailedValue, LeftRow, PageWritten, SourceRow } from '../job/table-task'
import { quote } from '../table-path'
import { type AdoptingColumn, type AdoptingTable, versionOf } from './adopting-table'
import { failureOf } from './plain-values'
import type { SealedValue } from './seal-values'

/** A row that gets values: by the place of their columns; null empties the columns. */
export interface WrittenRow {
  readonly row: SourceRow
  readonly values: ReadonlyMap<number, SealedValue | null>
}

const UNIQUE_VIOLATION = '23505'

/**
 * Writes the statement that puts envelopes, tokens and buckets of a page into their columns; a row that
 * was written since it was read stays as it is.
 *
 * A value that must be unique and is not fails alone: the page is divided until it is found, in
 * savepoints of the page's transaction.
 */
export function writeValues(
  table: AdoptingTable,
  keys: readonly KeyColumn[],
): (query: Query, rows: readonly WrittenRow[]) => Promise<PageWritten> {
  const replace = replaceRows(table, keys, table.columns.map(writtenColumn))
  const write = async (
    query: Query,
    rows: readonly WrittenRow[],
  ): Promise<Required<PageWritten>> => {
    const filled = rows.filter(({ values }) => values.size > 0)
    if (filled.length === 0) return { done: 0, left: [], failed: [] }
    const parameters = filled.map((row) => parametersOf(table, row))
    const result = await inSavepoint(query, () => replace(query, parameters))
    if (!('refused' in result)) return { ...result, failed: [] }
    const [only, ...others] = filled
    if (only && others.length === 0) {
      const at = refusedColumn(table, only, result.refused)
      const { column } = { column: table.columns[at] as AdoptingColumn }
      const values = new Map([...only.values].filter(([place]) => place !== at))
      const rest = await write(query, [{ ...only, values }])
      return {
        ...rest,
        failed: [...rest.failed, failureOf({ row: only.row, column }, 'ERR_NOT_UNIQUE')],
      }
    }
    const half = Math.ceil(filled.length / 2)
    return joined(await write(query, filled.slice(0, half)), await write(query, filled.slice(half)))
  }
  return write
}

function joined(a: Required<PageWritten>, b: Required<PageWritten>): Required<PageWritten> {
  const left: LeftRow[] = [...a.left, ...b.left]
  const failed: FailedValue[] = [...a.failed, ...b.failed]
  return { done: a.done + b.done, left, failed }
}

async function inSavepoint<T>(
  query: Query,
  work: () => Promise<T>,
): Promise<T | { refused: string }> {
  await query('SAVEPOINT mortise_page', [])
  try {
    const result = await work()
    await query('RELEASE SAVEPOINT mortise_page', [])
    return result
  } catch (error) {
    const { code, detail, constraint } = error as Record<string, unknown>
    if (code !== UNIQUE_VIOLATION) throw error
    await query('ROLLBACK TO SAVEPOINT mortise_page', [])
    return { refused: `${detail} ${constraint}` }
  }
}

/** The column that the database names, or the first that has tokens. */
function refusedColumn(
  { columns }: AdoptingTable,
  { values }: WrittenRow,
  refused: string,
): number {
  const places = [...values.keys()]
  const named = places.find((at) => {
    const { exactColumn } = columns[at] as AdoptingColumn
    return exactColumn !== null && refused.includes(exactColumn)
  })
  const indexed = places.find((at) => columns[at]?.exactColumn !== null)
  return named ?? indexed ?? (places[0] as number)
}

function parametersOf({ columns }: AdoptingTable, { row, values }: WrittenRow): ReplacedRow {
  return {
    key: row.key,
    parameters: columns.flatMap((column, at) => {
      const value = values.get(at)
      return [
        value === undefined ? null : versionOf(row),
        value?.envelope ?? null,
        ...(column.exactColumn === null ? [] : [value?.token ?? null]),
        ...(column.rangeColumn === null ? [] : [value?.bucket ?? null]),
      ]
    }),
  }
}

function writtenColumn(column: AdoptingColumn, at: number): ReplacedColumn {
  const n = at + 1
  const { definition, exactColumn, rangeColumn, form } = column
  const bytes = (text: string): string => `decode(${text}, 'hex')`
  const text = (given: string): string => given
  const bucketType = definition.bucketing?.columnType
  return {
    parameters: [
      { name: `v${n}`, cast: text },
      { name: `e${n}`, cast: form === 'bytea' ? bytes : text },
      ...(exactColumn === null ? [] : [{ name: `h${n}`, cast: bytes }]),
      ...(rangeColumn === null
        ? []
        : [{ name: `b${n}`, cast: (given: string) => `${given}::${bucketType}` }]),
    ],
    wanted: `p.v${n} IS NOT NULL`,
    unchanged: `r.xmin::text = p.v${n}`,
    assign: {
      [column.column]: `p.e${n}`,
      ...(exactColumn === null ? {} : { [exactColumn]: `p.h${n}` }),
      ...(rangeColumn === null ? {} : { [rangeColumn]: `p.b${n}` }),
    },
    written: `p.v${n} IS NOT NULL AND r.${quote(column.column)} IS NOT DISTINCT FROM p.e${n}`,
  }
}
