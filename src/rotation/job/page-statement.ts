import type { Query } from '../../key-store/store'
import { tablePath } from '../table-path'
import type { RowKey } from './key-columns'
import type { SourceRow, TableTask } from './table-task'

/** Rows in the order of the primary key: after the first key, up to the second, both may be open. */
export interface KeyRange {
  readonly after: RowKey | null
  readonly upTo: RowKey | null
}

/** Reads the next rows of a range that a task has to deal with. */
export async function readRange(
  query: Query,
  task: TableTask,
  { after, upTo }: KeyRange,
  limit: number,
): Promise<SourceRow[]> {
  const { keys, source } = task
  const parameters: unknown[] = [...source.parameters, limit]
  const bound = (comparison: string, key: RowKey | null): string => {
    if (key === null) return ''
    const values = keys.map(({ type }, i) => `$${parameters.length + i + 1}::text::${type}`)
    parameters.push(...key)
    return ` AND (${names(task)}) ${comparison} (${values.join(', ')})`
  }
  const statement = `${selectFrom(task)} ${source.joins}
    WHERE (${source.where})${bound('>', after)}${bound('<=', upTo)}
    ORDER BY ${names(task)} LIMIT $${source.parameters.length + 1}::integer`
  return (await query(statement, parameters)).map((row) => sourceRow(task, row))
}

/** Reads single rows again, those that are still there and still concern the task. */
export async function readKeys(
  query: Query,
  task: TableTask,
  wanted: readonly RowKey[],
): Promise<SourceRow[]> {
  const { keys, source } = task
  const first = source.parameters.length + 1
  const arrays = keys.map((_, i) => `$${first + i}::text[]`).join(', ')
  const places = keys.map((_, i) => `p${i + 1}`).join(', ')
  const same = keys.map(({ name, type }, i) => `r.${name} = given.p${i + 1}::${type}`).join(' AND ')
  const statement = `${selectFrom(task)}
    JOIN unnest(${arrays}) AS given(${places}) ON ${same} ${source.joins}
    WHERE (${source.where}) ORDER BY ${names(task)}`
  const columns = keys.map((_, i) => wanted.map((key) => key[i]))
  return (await query(statement, [...source.parameters, ...columns])).map((row) =>
    sourceRow(task, row),
  )
}

function selectFrom({ table, keys, source }: TableTask): string {
  const own = keys.map(({ name }, i) => `r.${name}::text AS k${i + 1}`)
  return `SELECT ${[...own, ...source.select].join(', ')} FROM ${tablePath(table)} AS r`
}

/** `ORDER BY` and the row comparison use the column's collation alike, whatever it is. */
function names({ keys }: TableTask): string {
  return keys.map(({ name }) => `r.${name}`).join(', ')
}

function sourceRow({ keys }: TableTask, values: Record<string, unknown>): SourceRow {
  return { key: keys.map((_, i) => String(values[`k${i + 1}`])), values }
}
