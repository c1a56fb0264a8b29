import { asBuffer } from '../bytes'
import { keyIdOf } from '../envelope/open'
import { rewrapKeyBlock } from '../envelope/rewrap'
import { MortiseError, type MortiseErrorCode } from '../errors'
import type { DataKey, KeyAccess } from '../keys/access'
import { keyAccess } from '../keys/keyring'
import { type EncryptedSchema, type EncryptedTable, schemaOf } from '../schema'
import { type ColumnSql, columnSql, primaryKeyTypes } from './table-sql'

/** How a rewrap runs. */
export interface RewrapOptions {
  /**
   * Rows per statement, 1 to 10,000.
   *
   * @defaultValue 1,000
   */
  readonly batchSize?: number | undefined
  /** Called after every page; `total` is counted at the start of each column. */
  readonly onProgress?: ((progress: RewrapProgress) => void) | undefined
  /** Stops between two pages; a later run goes on where this one stopped. */
  readonly signal?: AbortSignal | undefined
  /** Counts what would be rewrapped and writes nothing. */
  readonly dryRun?: boolean | undefined
}

/** How far a rewrap is in one column. */
export interface RewrapProgress {
  readonly table: string
  readonly column: string
  readonly done: number
  readonly total: number
}

/** A row whose envelope could not be moved. It is left as it is. */
export interface RewrapFailure {
  readonly table: string
  readonly column: string
  /** Primary key values as text. */
  readonly primaryKey: readonly string[]
  readonly code: MortiseErrorCode
}

/** What a rewrap did. */
export interface RewrapReport {
  /** Envelopes moved to the active key; with `dryRun`, those that would be. */
  readonly rewrapped: number
  /** Envelopes that a concurrent writer replaced first. */
  readonly superseded: number
  /** How many envelopes could not be moved. */
  readonly failedCount: number
  /** The first 100 of them. */
  readonly failed: readonly RewrapFailure[]
  /** The key that all moved envelopes are under now. */
  readonly keyId: string
}

const DEFAULT_BATCH = 1000
const MAX_BATCH = 10_000
const MAX_REPORTED = 100

interface Job {
  readonly schema: EncryptedSchema
  readonly keys: KeyAccess
  readonly active: DataKey
  readonly options: RewrapOptions
  readonly batchSize: number
  rewrapped: number
  superseded: number
  failedCount: number
  readonly failed: RewrapFailure[]
}

/**
 * Moves every envelope to the active `data` key, without decrypting a value: 48 bytes of each envelope
 * change, after its commitment was verified.
 *
 * One question per page and one UPDATE, each its own transaction; memory does not grow with the table.
 * Safe beside writers, and to stop and repeat at any point: an envelope that is current is not touched.
 *
 * @param dataSource - an initialized DataSource with `withEncryption`
 * @throws ERR_CONFIG for another DataSource or a batch size out of range
 * @throws the signal's reason where it was aborted
 * @see docs/format.md "Rewrap"
 */
export async function rewrap(
  dataSource: object,
  options: RewrapOptions = {},
): Promise<RewrapReport> {
  const { batchSize = DEFAULT_BATCH } = options
  if (!Number.isSafeInteger(batchSize) || batchSize < 1 || batchSize > MAX_BATCH) {
    throw new MortiseError('ERR_CONFIG', `batchSize must be 1 to ${MAX_BATCH} rows`)
  }
  const schema = schemaOf(dataSource)
  const keys = keyAccess(schema.keyring)
  const active = await keys.sealingKey()
  const counters = { rewrapped: 0, superseded: 0, failedCount: 0, failed: [] }
  const job: Job = { schema, keys, active, options, batchSize, ...counters }
  for (const table of schema.tables) {
    const types = await primaryKeyTypes(table, schema.query)
    for (const { column } of table.columns) await rewrapColumn(job, table, column, types)
  }
  const { rewrapped, superseded, failedCount, failed } = job
  return { rewrapped, superseded, failedCount, failed, keyId: active.id }
}

async function rewrapColumn(
  job: Job,
  table: EncryptedTable,
  column: string,
  types: readonly string[],
): Promise<void> {
  const { schema, active, options, batchSize } = job
  const sql = columnSql(table, column, types)
  const [counted] = await schema.query(sql.count, [active.idBytes])
  const total = Number(counted?.count)
  if (options.dryRun) {
    job.rewrapped += total
    return
  }
  let cursor: string[] | undefined
  for (let done = 0; ; ) {
    options.signal?.throwIfAborted()
    const parameters = [active.idBytes, batchSize, ...(cursor ?? [])]
    const rows = await schema.query(sql.page(cursor === undefined), parameters)
    if (rows.length === 0) return
    await rewrapPage(job, table, column, sql, rows)
    cursor = keyOf(table, rows.at(-1) as Record<string, unknown>)
    done += rows.length
    options.onProgress?.({ table: table.name, column, done, total: Math.max(total, done) })
  }
}

async function rewrapPage(
  job: Job,
  table: EncryptedTable,
  column: string,
  sql: ColumnSql,
  rows: readonly Record<string, unknown>[],
): Promise<void> {
  const heads: Buffer[] = []
  const blocks: Buffer[] = []
  const primaryKeys: string[][] = table.primaryKey.map(() => [])
  for (const row of rows) {
    const head = asBuffer(row.head as Uint8Array)
    const primaryKey = keyOf(table, row)
    try {
      blocks.push(await moveHead(job, head))
    } catch (error) {
      recordFailure(job, { table: table.name, column, primaryKey, code: codeOf(error) })
      continue
    }
    heads.push(head)
    primaryKey.forEach((value, index) => {
      primaryKeys[index]?.push(value)
    })
  }
  if (heads.length === 0) return
  const [updated] = await job.schema.query(sql.update, [heads, blocks, ...primaryKeys])
  job.rewrapped += Number(updated?.count)
  job.superseded += heads.length - Number(updated?.count)
}

/** Keys are in memory after the first envelope that names them. */
async function moveHead({ keys, active }: Job, head: Buffer): Promise<Buffer> {
  const id = keyIdOf(head)
  const from = keys.loadedOpeningKey(id) ?? (await keys.openingKeys([id])).get(id)
  return rewrapKeyBlock(head, from as DataKey, active)
}

function keyOf(table: EncryptedTable, row: Record<string, unknown>): string[] {
  return table.primaryKey.map((_, index) => row[`k${index}`] as string)
}

/** An unreachable provider or store stops the job; only what the envelope itself lacks is a failure. */
function codeOf(error: unknown): MortiseErrorCode {
  if (error instanceof RangeError) return 'ERR_ENVELOPE_MALFORMED'
  if (!(error instanceof MortiseError) || error.retryable) throw error
  return error.code
}

function recordFailure(job: Job, failure: RewrapFailure): void {
  job.failedCount += 1
  if (job.failed.length < MAX_REPORTED) job.failed.push(failure)
}
