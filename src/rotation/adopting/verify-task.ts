import { isDeepStrictEqual } from 'node:util'
import type { Query } from '../../key-store/store'
import type { KeyAccess } from '../../keys/access'
import { countTask } from '../job/count-task'
import { type KeyColumn, keyColumns } from '../job/key-columns'
import type { PageWork, SourceRow, TableTask } from '../job/table-task'
import { type OpenedValue, openRows } from '../open-rows'
import {
  type AdoptingColumn,
  type AdoptingTable,
  cellOf,
  columnPair,
  holdsValue,
  rowsWhere,
} from './adopting-table'
import { findWrongIndexes } from './find-wrong-indexes'
import { type PlainValue, plainValues } from './plain-values'
import { sealValues } from './seal-values'
import { type WrittenValue, writeValues, writtenValue } from './write-values'

/** What a comparison needs. */
export interface VerifyContext {
  readonly query: Query
  readonly access: KeyAccess
  /** Called with the number of values whose envelope or index was not that of their value. */
  readonly onCorrected: (values: number) => void
}

/**
 * Compares every envelope, token and bucket with the value in clear, and replaces what differs: the value in
 * clear is the true one.
 */
export async function verifyTask(context: VerifyContext, table: AdoptingTable): Promise<TableTask> {
  const { columns } = table
  const keys = await keyColumns(context.query, table)
  const write = writeValues(table, keys)
  return {
    table,
    keys,
    source: rowsWhere(columns, isHeld),
    count: () => countTask(context.query, table, { total: isHeld, current: () => 'FALSE' }),
    work: (rows) => verifyPage(context, { table, keys, write }, rows),
  }
}

interface VerifiedTable {
  readonly table: AdoptingTable
  readonly keys: readonly KeyColumn[]
  readonly write: ReturnType<typeof writeValues>
}

async function verifyPage(
  { query, access, onCorrected }: VerifyContext,
  { table, keys, write }: VerifiedTable,
  rows: readonly SourceRow[],
): Promise<PageWork> {
  const { columns } = table
  const opened = await openRows(access, columns, rows)
  const openedOf = new Map(rows.map((row, i) => [row, opened[i]]))
  const plain = plainValues(columns, rows, () => true)
  const same = plain.values.filter((value) => isSame(value, openedOf.get(value.row)?.[value.at]))
  const wrong = await findWrongIndexes({ query, access, table, keys }, same)
  const right = new Set(same.filter((value) => !wrong.has(value)))
  const different = plain.values.filter((value) => !right.has(value))
  const { sealed, failed } = await sealValues(access, different)
  const corrected = [...sealed.map(writtenValue), ...orphans(columns, rows)]
  return {
    values: right.size + corrected.length,
    failed: [...plain.failed, ...failed],
    write: async (run) => {
      const written = await write(run, corrected)
      onCorrected(written.done)
      return { ...written, done: right.size + written.done }
    },
  }
}

/** PostgreSQL keeps the members of a jsonb object in an order of its own. */
function isSame(
  { column: { definition }, value }: PlainValue,
  opened: OpenedValue | undefined,
): boolean {
  if (opened?.kind !== 'value') return false
  return definition.type === 'json'
    ? isDeepStrictEqual(value, opened.value)
    : definition.sameValue(value, opened.value)
}

/** Envelopes of values that are NULL. */
function orphans(columns: readonly AdoptingColumn[], rows: readonly SourceRow[]): WrittenValue[] {
  return rows.flatMap((row) =>
    columns.flatMap((_, at) =>
      !holdsValue(row, at) && cellOf(row, 'e', at) !== null ? [{ row, at, sealed: null }] : [],
    ),
  )
}

function isHeld(column: AdoptingColumn): string {
  const [plain, envelope] = columnPair(column)
  return `(${plain} IS NOT NULL OR ${envelope} IS NOT NULL)`
}
