import type { Query } from '../../key-store/store'
import { tablePath } from '../table-path'
import type { RowKey } from './key-columns'
import type { SourceRow, TableTask } from './table-task'

/** Rows in the order of the primary key: after the first key, up to the second, both may be open. */
export interface KeyRange {
  readonly after: RowKey | null
  readonly upTo: RowKey | null
}

/** The next rows of a range. */
export interface RangePage {
  readonly rows: readonly SourceRow[]
  /** Whether there may be rows behind them. */
  readonly more: boolean
}

/** Single rows, read again. */
export interface KeysPage {
  readonly rows: readonly SourceRow[]
  /** Those of the keys that were looked at: the first of them, in their order. */
  readonly settled: readonly RowKey[]
}

/**
 * What the values of one page have together, where the task says how many bytes a row has; the last row
 * may go beyond it. Together with the largest row this bounds what a worker holds.
 */
export const MAX_PAGE_BYTES: number = 16 * 1024 * 1024

/** Reads the next rows of a range that a task has to deal with. */
export async function readRange(
  query: Query,
  task: TableTask,
  { after, upTo }: KeyRange,
  limit: number,
): Promise<RangePage> {
  const { keys, source } = task
  const parameters: unknown[] = [...source.parameters, limit]
  const bound = (comparison: string, key: RowKey | null): string => {
    if (key === null) return ''
    const values = keys.map(({ type }, i) => `$${parameters.length + i + 1}::text::${type}`)
    parameters.push(...key)
    return ` AND (${names(task)}) ${comparison} (${values.join(', ')})`
  }
  const place = `row_number() ${upToHere(names(task))}`
  const statement = `${selectFrom(task, names(task), place)} ${source.joins}
    WHERE (${source.where})${bound('>', after)}${bound('<=', upTo)}
    ORDER BY ${names(task)} LIMIT $${source.parameters.length + 1}::integer`
  const { rows, isCut } = await readPage(query, task, statement, parameters)
  return { rows, more: isCut || rows.length === limit }
}

/** Reads single rows again, those that are still there and still concern the task. */
export async function readKeys(
  query: Query,
  task: TableTask,
  wanted: readonly RowKey[],
): Promise<KeysPage> {
  const { keys, source } = task
  const first = source.parameters.length + 1
  const arrays = keys.map((_, i) => `$${first + i}::text[]`).join(', ')
  const places = keys.map((_, i) => `p${i + 1}`).join(', ')
  const same = keys.map(({ name, type }, i) => `r.${name} = given.p${i + 1}::${type}`).join(' AND ')
  const statement = `${selectFrom(task, 'given.place', 'given.place')}
    JOIN unnest(${arrays}) WITH ORDINALITY AS given(${places}, place) ON ${same} ${source.joins}
    WHERE (${source.where}) ORDER BY given.place`
  const columns = keys.map((_, i) => wanted.map((key) => key[i]))
  const { rows, isCut } = await readPage(query, task, statement, [...source.parameters, ...columns])
  return { rows, settled: isCut ? wanted.slice(0, Number(rows.at(-1)?.values.place)) : wanted }
}

/** @param place - SQL that numbers the rows in their order */
function selectFrom({ table, keys, source }: TableTask, order: string, place: string): string {
  const { bytes } = source
  const own = keys.map(({ name }, i) => `r.${name}::text AS k${i + 1}`)
  const measured =
    bytes === undefined
      ? []
      : [`${bytes} AS bytes`, `sum(${bytes}) ${upToHere(order)} AS sum`, `${place} AS place`]
  return `SELECT ${[...own, ...source.select, ...measured].join(', ')} FROM ${tablePath(table)} AS r`
}

function upToHere(order: string): string {
  return `OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING)`
}

/**
 * A page ends with the row that reaches {@link MAX_PAGE_BYTES}. Large values are passed on by their place in
 * the TOAST table, and fetched for the rows that are kept.
 */
async function readPage(
  query: Query,
  task: TableTask,
  statement: string,
  parameters: readonly unknown[],
): Promise<{ readonly rows: readonly SourceRow[]; readonly isCut: boolean }> {
  const isMeasured = task.source.bytes !== undefined
  const limited = `SELECT p.* FROM (${statement}) AS p
    WHERE p.sum - p.bytes < ${MAX_PAGE_BYTES} ORDER BY p.place`
  const rows = await query(isMeasured ? limited : statement, parameters)
  const isCut = isMeasured && Number(rows.at(-1)?.sum ?? 0) >= MAX_PAGE_BYTES
  return { rows: rows.map((row) => sourceRow(task, row)), isCut }
}

/** `ORDER BY` and the row comparison use the column's collation alike, whatever it is. */
function names({ keys }: TableTask): string {
  return keys.map(({ name }) => `r.${name}`).join(', ')
}

function sourceRow({ keys }: TableTask, values: Record<string, unknown>): SourceRow {
  return { key: keys.map((_, i) => String(values[`k${i + 1}`])), values }
}
