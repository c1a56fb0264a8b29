import type { Query } from '../key-store/store'
import type { EncryptedTable, EncryptedTableColumn } from '../schema'
import { countKeys } from './count-keys'
import type { RewrapKeys } from './rewrap-keys'
import { type FailedValue, headRow, type ReplacedRow, requestOf, rewrapPage } from './rewrap-page'
import type { RewrapFailure, RewrapProgress, RewrapTableReport } from './rewrap-report'
import { type RewrapStatements, rewrapStatements } from './rewrap-statements'
import { tableLabel } from './table-path'

/** A rewrap with its options checked. */
export interface RewrapJob {
  readonly query: Query
  readonly keys: RewrapKeys
  readonly batchSize: number
  readonly onProgress: (progress: RewrapProgress) => void
  readonly signal: AbortSignal | undefined
  readonly dryRun: boolean
  /** How many failures are kept. */
  readonly maxReported: number
}

/** What happened to one table. */
export interface TableOutcome {
  readonly report: RewrapTableReport
  readonly failed: readonly RewrapFailure[]
}

/** Rows that were locked are tried again when the rest of their table is done. */
const MAX_PASSES = 3

/**
 * Rewraps the columns of one table together: a row is written once, whatever the number of its
 * fields. Each pass meets again what the one before it had to leave, so the last one tells what is
 * left.
 */
export async function rewrapTable(job: RewrapJob, table: EncryptedTable): Promise<TableOutcome> {
  const statements = await rewrapStatements(job.query, table)
  const { total, current } = await countStale(job, table)
  const name = tableLabel(table)
  const report = (done: number): void =>
    job.onProgress({ table: name, done: Math.min(done, total), total })
  report(0)
  let pass = await runPass(job, table, statements, report)
  let { rewrapped } = pass
  for (let passes = 1; pass.skipped > 0 && passes < MAX_PASSES; passes++) {
    pass = await runPass(job, table, statements, () => {})
    rewrapped += pass.rewrapped
  }
  // Also what others have sealed under the active key meanwhile is dealt with.
  report(total)
  const { skipped, failedCount, failed } = pass
  return { report: { table: name, rewrapped, current, skipped, failedCount }, failed }
}

async function countStale(
  { query, keys }: RewrapJob,
  table: EncryptedTable,
): Promise<{ total: number; current: number }> {
  let total = 0
  let current = 0
  for (const { keyId, subject, count } of await countKeys(query, table)) {
    if (subject || (keyId !== null && keys.isCurrent(keyId))) current += count
    else total += count
  }
  return { total, current }
}

interface Pass {
  rewrapped: number
  skipped: number
  failedCount: number
  readonly failed: RewrapFailure[]
}

/** From the first row to the last, in the order of the primary key. */
async function runPass(
  job: RewrapJob,
  table: EncryptedTable,
  statements: RewrapStatements,
  report: (done: number) => void,
): Promise<Pass> {
  const { query, keys, batchSize, signal } = job
  const pass: Pass = { rewrapped: 0, skipped: 0, failedCount: 0, failed: [] }
  let after: readonly string[] = []
  for (;;) {
    signal?.throwIfAborted()
    const parameters = [keys.targetId, batchSize, ...after]
    const page = (await query(statements.page(after.length > 0), parameters)).map((row) =>
      headRow(row, table.primaryKey.length, table.columns.length),
    )
    const last = page.at(-1)
    if (last === undefined) return pass
    const pageKeys = await keys.forPage(requestOf(page, keys.isCurrent))
    const { rows, values, failed } = await rewrapPage(page, pageKeys)
    const written = job.dryRun ? values : await replace(query, statements, rows)
    pass.rewrapped += written
    pass.skipped += values - written
    pass.failedCount += failed.length
    const room = job.maxReported - pass.failed.length
    pass.failed.push(...failed.slice(0, room).map((value) => failureOf(table, value)))
    report(pass.rewrapped + pass.skipped + pass.failedCount)
    if (page.length < batchSize) return pass
    after = last.key
  }
}

/** @returns the number of values that were replaced */
async function replace(
  query: Query,
  { replace: statement }: RewrapStatements,
  rows: readonly ReplacedRow[],
): Promise<number> {
  const [first] = rows
  if (first === undefined) return 0
  const keys = first.key.map((_, i) => rows.map(({ key }) => key[i]))
  const blocks = first.columns.flatMap((_, i) => [
    rows.map(({ columns }) => columns[i]?.head.toString('hex') ?? null),
    rows.map(({ columns }) => columns[i]?.block.toString('hex') ?? null),
  ])
  const [answer] = await query(statement, [...keys, ...blocks])
  return Number(answer?.written)
}

function failureOf(table: EncryptedTable, { key, column, code }: FailedValue): RewrapFailure {
  const { column: name, field } = table.columns[column] as EncryptedTableColumn
  const primaryKey = Object.fromEntries(table.primaryKey.map((part, i) => [part, String(key[i])]))
  return { table: tableLabel(table), column: name, field, primaryKey, code }
}
