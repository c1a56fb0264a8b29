import type { Query } from '../../key-store/store'
import type { KeyAccess } from '../../keys/access'
import { countTask } from '../job/count-task'
import { type KeyColumn, keyColumns, type RowKey } from '../job/key-columns'
import { parameterRows } from '../job/parameter-rows'
import { replaceRows } from '../job/replace-rows'
import type { RowSource, TableTask } from '../job/table-task'
import { type RefusedRow, writeApart } from '../job/write-apart'
import { openedColumns } from '../open-rows'
import { quote } from '../table-path'
import { type ChangingTable, writtenColumns } from './changing-table'
import { differingValues } from './differing-values'
import { nextValuesOf } from './next-values'
import { nextColumn, nextParameters } from './write-values'

/** What a backfill works with beside its table. */
export interface BackfillContext {
  readonly query: Query
  readonly access: KeyAccess
  /** Nothing is written, and no key of the generation to come is needed. */
  readonly dryRun: boolean
  /** Called with the number of values that were written. */
  readonly onWritten: (values: number) => void
}

/**
 * Opens every value and computes its tokens and buckets of the generation to come; those that differ from
 * what is stored are written, and only those. A row that was written since it was read stays as it is,
 * and is read again.
 */
export async function backfillTask(
  context: BackfillContext,
  table: ChangingTable,
): Promise<TableTask> {
  const { query, access, dryRun, onWritten } = context
  const { columns } = table
  const keys: readonly KeyColumn[] = await keyColumns(query, table)
  const nextValues = nextValuesOf(access, columns, dryRun)
  const replace = replaceRows(table, keys, columns.map(nextColumn))
  const parameters = columns.map(nextParameters)
  const write = writeApart(replace, ({ key }, detail) => refusedRow(table, key, detail))
  return {
    table,
    keys,
    source: rowsToFill(columns),
    count: () =>
      countTask(query, table, {
        total: ({ column }) => `r.${quote(column)} IS NOT NULL`,
        current: () => 'FALSE',
      }),
    work: async (rows) => {
      const { values, failed } = await nextValues(rows)
      const wrong = dryRun ? [] : await differingValues(query, { table, keys }, values)
      const right = values.length - wrong.length
      return {
        values: values.length,
        failed,
        write: async (run) => {
          const written = await write(run, parameterRows(wrong, parameters))
          onWritten(written.done)
          return { ...written, done: right + written.done }
        },
      }
    },
  }
}

/** Whole envelopes, and the version of the row. */
function rowsToFill(columns: ChangingTable['columns']): RowSource {
  const lengths = columns.map(({ column }) => {
    return `coalesce(octet_length(r.${quote(column)}), 0)::bigint`
  })
  return {
    select: ['r.xmin::text AS x', ...openedColumns(columns)],
    joins: '',
    where: columns.flatMap(filled).join(' OR '),
    bytes: lengths.join(' + '),
    parameters: [],
  }
}

/** Also a token without a value is wrong. */
function filled(column: ChangingTable['columns'][number]): string[] {
  const { token, bucket } = writtenColumns(column)
  return [column.column, token, bucket].flatMap((name) =>
    name === null ? [] : [`r.${quote(name)} IS NOT NULL`],
  )
}

/** Nothing of a row is written where the database refuses one of its tokens. */
function refusedRow({ columns }: ChangingTable, key: RowKey, detail: string): RefusedRow {
  const hasToken = columns.filter((column) => writtenColumns(column).token !== null)
  const named = hasToken.find((column) => detail.includes(writtenColumns(column).token as string))
  const column = (named ?? hasToken[0] ?? columns[0])?.column ?? ''
  return { failed: { key, column, code: 'ERR_NOT_UNIQUE' }, rest: null }
}
