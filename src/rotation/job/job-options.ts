import { MortiseError } from '../../errors'
import { checkHistoryOptions, type HistoryOptions } from '../history-record'

/** How a batch job runs. */
export interface JobOptions extends HistoryOptions {
  /**
   * Rows per page: what one statement locks, and what each worker holds in memory. 1 to 10,000.
   *
   * @defaultValue 1,000
   */
  readonly batchSize?: number | undefined
  /**
   * How many pages this process writes at a time. 1 to 64. Each worker has up to two connections: it
   * reads the next page meanwhile. Other processes that start the same job join it with workers of
   * their own.
   *
   * @defaultValue 1
   */
  readonly workers?: number | undefined
  /** Upper limit for this process, averaged over a second. */
  readonly rowsPerSecond?: number | undefined
  /**
   * Waits while a replica that streams from this server is further behind, in seconds. Needs a role
   * that may read `pg_stat_replication`.
   */
  readonly maxLagSeconds?: number | undefined
  /** Asked before each page; the worker waits, and asks again each second, while it gives `true`. */
  readonly pauseWhile?: (() => boolean | Promise<boolean>) | undefined
  /**
   * Rows of a shard, which one worker leases at a time; decided when the job begins. 100 to 10,000,000.
   *
   * @defaultValue 50,000
   */
  readonly shardRows?: number | undefined
  /**
   * After how many seconds without a sign of life a worker's shard is given to another. 1 to 3,600.
   *
   * @defaultValue 15
   */
  readonly leaseSeconds?: number | undefined
  /** Called when the job begins, after each page, and at the end. */
  readonly onProgress?: ((progress: JobProgress) => void) | undefined
  /** Aborting rejects with the signal's reason, after the page in work; what is written stays. */
  readonly signal?: AbortSignal | undefined
  /**
   * Does everything except writing, also no job is kept: shows which values would fail.
   *
   * @defaultValue false
   */
  readonly dryRun?: boolean | undefined
  /**
   * Takes up the last run of this job that ended, and only the rows that it had to leave.
   *
   * @defaultValue false
   */
  readonly retry?: boolean | undefined
}

/** How far a job is with one table. */
export interface JobProgress {
  /** `table`, or `schema.table`. */
  readonly table: string
  /** Values dealt with, up to `total`; also by other processes, as far as is known. */
  readonly done: number
  /** Values that there were to deal with when the job began. */
  readonly total: number
}

/** Options with every default filled in. */
export interface CheckedOptions extends JobOptions {
  readonly batchSize: number
  readonly workers: number
  readonly shardRows: number
  readonly leaseSeconds: number
  readonly onProgress: (progress: JobProgress) => void
  readonly dryRun: boolean
}

/** @throws ERR_CONFIG naming an option out of its range */
export function checkOptions(options: JobOptions): CheckedOptions {
  const { batchSize = 1000, workers = 1, shardRows = 50_000, leaseSeconds = 15 } = options
  const { rowsPerSecond = 1, maxLagSeconds = 1 } = options
  const { dryRun = false, onProgress = () => {} } = options
  checkRange('batchSize', batchSize, 1, 10_000)
  checkRange('workers', workers, 1, 64)
  checkRange('shardRows', shardRows, 100, 10_000_000)
  checkRange('leaseSeconds', leaseSeconds, 1, 3600)
  checkRange('rowsPerSecond', rowsPerSecond, 1, 1_000_000_000)
  checkPositive('maxLagSeconds', maxLagSeconds)
  checkHistoryOptions(options)
  if (dryRun && options.retry) {
    throw new MortiseError('ERR_CONFIG', 'retry takes up a job that was kept; dryRun keeps none')
  }
  return { ...options, batchSize, workers, shardRows, leaseSeconds, dryRun, onProgress }
}

/** @throws ERR_CONFIG naming the option */
export function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new MortiseError('ERR_CONFIG', `${name} must be a whole number from ${min} to ${max}`)
}

function checkPositive(name: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return
  throw new MortiseError('ERR_CONFIG', `${name} must be a positive number`)
}
