import { MortiseError } from '../errors'
import { schemaOf } from '../schema'
import { openRewrapKeys } from './rewrap-keys'
import type {
  RewrapCounts,
  RewrapFailure,
  RewrapOptions,
  RewrapReport,
  RewrapTableReport,
} from './rewrap-report'
import { rewrapSubjects } from './rewrap-subjects'
import { rewrapTable } from './rewrap-table'

const DEFAULT_BATCH_SIZE = 1000
const MAX_BATCH_SIZE = 10_000
const MAX_REPORTED = 1000

/**
 * Moves every stored value to the active `data` key: each envelope gets that key's id and its DEK
 * wrapped under it, 48 bytes. Of values under the key of a subject, that key is what moves, once for
 * all of them. No value is decrypted, and no ciphertext leaves the database. To or from a key whose
 * provider wraps DEKs itself it costs one call of that provider for each record.
 *
 * Runs in pages of one short transaction each, in constant memory. It may be aborted or killed at any
 * point and started again: what is under the active key is passed by. The application may go on
 * reading and writing; a concurrent writer wins. Entity listeners, version and update-date columns
 * see nothing; triggers of the database do.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns what was done; values that could not be rewrapped are in `failed` and stay as they are
 * @throws ERR_CONFIG where `dataSource` has no encrypted tables, for a `batchSize` out of range, or
 *   where a table does not exist
 * @throws ERR_KEY_STATE where the active key was disabled meanwhile
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had (`retryable`: run it again)
 * @see docs/format.md "Rewrap"
 */
export async function rewrap(
  dataSource: object,
  options: RewrapOptions = {},
): Promise<RewrapReport> {
  const { keyring, tables, query } = schemaOf(dataSource)
  const { batchSize = DEFAULT_BATCH_SIZE, onProgress = () => {}, signal, dryRun = false } = options
  checkBatchSize(batchSize)
  const began = performance.now()
  signal?.throwIfAborted()
  const keys = await openRewrapKeys(keyring)
  const failed: RewrapFailure[] = []
  const reports: RewrapTableReport[] = []
  const job = { query, keys, batchSize, onProgress, signal, dryRun, maxReported: MAX_REPORTED }
  const outcomes = tables.map((table) => () => rewrapTable(job, table))
  for (const run of [() => rewrapSubjects(job, keyring), ...outcomes]) {
    const outcome = await run()
    if (outcome === null) continue
    reports.push(outcome.report)
    failed.push(...outcome.failed.slice(0, MAX_REPORTED - failed.length))
  }
  const sum = (count: keyof RewrapCounts): number =>
    reports.reduce((total, report) => total + report[count], 0)
  return {
    keyId: keys.targetId,
    rewrapped: sum('rewrapped'),
    current: sum('current'),
    skipped: sum('skipped'),
    failedCount: sum('failedCount'),
    failed,
    tables: reports,
    seconds: (performance.now() - began) / 1000,
  }
}

function checkBatchSize(batchSize: number): void {
  if (Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= MAX_BATCH_SIZE) return
  throw new MortiseError(
    'ERR_CONFIG',
    `batchSize must be a whole number of rows from 1 to ${MAX_BATCH_SIZE}`,
  )
}
