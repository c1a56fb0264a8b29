import type { Query } from '../../key-store/store'
import type { HistoryRecord } from '../history-record'
import type { JobCounts } from './job-report'
import type { RowKey } from './key-columns'
import type { KeyRange } from './page-statement'
import type { FailedValue, LeftRow, TaskCount } from './table-task'

/** A table of a job, as it was counted when the job began. */
export interface JobTable extends TaskCount {
  /** `table`, or `schema.table`. */
  readonly table: string
}

/** A batch job. */
export interface Job {
  /** 16 hex digits; null for a dry run. */
  readonly id: string | null
  /** What it was begun with, for the history. */
  readonly parameters: HistoryRecord['parameters']
  readonly tables: readonly JobTable[]
  readonly createdAt: Date
}

/** A shard that one worker has leased. */
export interface Shard extends KeyRange {
  readonly number: number
  readonly table: string
  /** The last key that is done; null before the first page. */
  readonly cursor: RowKey | null
  /** Whether all of its range was read, and only single rows are left. */
  readonly onlyLeft: boolean
  /** Raised by each lease: what an earlier holder still writes is refused. */
  readonly fence: number
}

/** What one transaction of a shard did. */
export interface Checkpoint {
  /** The last key of the page; null where the page was made of rows that were left. */
  readonly cursor: RowKey | null
  readonly done: number
  readonly failed: readonly FailedValue[]
  readonly left: readonly LeftRow[]
  /** Rows that had been left before and are dealt with now, whatever became of them. */
  readonly settled: readonly RowKey[]
}

/** A failure, and the table of its row. */
export interface LedgerFailure extends FailedValue {
  readonly table: string
}

/** Where a job keeps what is done, what is leased, and what had to be left. */
export interface Ledger {
  readonly job: Job
  /**
   * Leases a shard.
   *
   * @param shard - this one and no other
   * @returns `'busy'` where others hold all that is left, and null where nothing is
   * @throws ERR_JOB_SUPERSEDED where another job took this one's place
   * @throws ERR_JOB_CANCELLED
   */
  claim(owner: string, shard?: number): Promise<Shard | 'busy' | null>
  /**
   * Keeps what a page did, in the transaction that did it, and extends the lease.
   *
   * @throws ERR_JOB_SUPERSEDED, ERR_JOB_CANCELLED
   * @throws {@link LeaseLost} where another worker holds the shard now
   */
  checkpoint(query: Query, shard: Shard, done: Checkpoint): Promise<void>
  /** Extends the lease of a shard whose page takes long. */
  renew(shard: Shard): Promise<void>
  /** Gives a shard back before it is done. */
  release(shard: Shard): Promise<void>
  /** Says that all rows of the range were read. */
  leaveRange(shard: Shard): Promise<void>
  /** Says that nothing more is to be done for a shard. */
  finish(shard: Shard): Promise<void>
  /** Rows of a shard that were left, in pages: those behind `after`, in the order of their text. */
  left(shard: Shard, after: RowKey | null, limit: number): Promise<RowKey[]>
  /** Of each table, `current` aside. */
  counts(): Promise<ReadonlyMap<string, Omit<JobCounts, 'current'>>>
  failures(limit: number): Promise<LedgerFailure[]>
  /** Numbers of the shards that are not done. */
  open(): Promise<number[]>
  /** Ends the job, where no shard is open. */
  end(): Promise<void>
}

/** What a worker meets that was taken for dead: its page is rolled back, and it takes another shard. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}
