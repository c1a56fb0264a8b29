import type { MortiseErrorCode } from '../../errors'
import type { Query } from '../../key-store/store'
import type { EncryptedTable } from '../../schema'
import type { KeyColumn, RowKey } from './key-columns'

/** What a job reads of each row, as parts of a statement in which the row is `r`. */
export interface RowSource {
  /** `expression AS name`; names other than `k1`, `k2`… which are the primary key. */
  readonly select: readonly string[]
  /** Lateral joins that `select` and `where` may name; may be empty. */
  readonly joins: string
  /** Which rows the job has to deal with: cheap, and false for what needs nothing any more. */
  readonly where: string
  /**
   * How many bytes of a row travel, where that may be many: then a page ends before it holds too many.
   * Cheap, as `octet_length` of a column is.
   */
  readonly bytes?: string
  /** What `select`, `joins` and `where` name as `$1`, `$2`… */
  readonly parameters: readonly unknown[]
}

/** A row as it was read. */
export interface SourceRow {
  readonly key: RowKey
  readonly values: Readonly<Record<string, unknown>>
}

/** A value that a job cannot deal with. */
export interface FailedValue {
  readonly key: RowKey
  /** Name of the encrypted column. */
  readonly column: string
  readonly code: MortiseErrorCode
}

/** A row that somebody else holds or has changed meanwhile: it is read again later. */
export interface LeftRow {
  readonly key: RowKey
  /** Number of its values that were to be dealt with. */
  readonly amount: number
}

/** What the statements of a page did. */
export interface PageWritten {
  readonly done: number
  readonly left: readonly LeftRow[]
  /** What only the database could refuse; none where it is left out. */
  readonly failed?: readonly FailedValue[]
}

/** A page after the work that needs keys, before anything is written. */
export interface PageWork {
  /** Number of values that `write` is going to deal with. */
  readonly values: number
  readonly failed: readonly FailedValue[]
  /**
   * Writes with one statement, in the transaction that also keeps the place that was reached. Compares
   * what is stored with what was read: a concurrent writer wins.
   */
  write(query: Query): Promise<PageWritten>
}

/** Values of a table, as they are counted before a job begins. */
export interface TaskCount {
  /** That the job has to deal with. */
  readonly total: number
  /** That are as the job would leave them. */
  readonly current: number
}

/** What a job does with one table. Tables and rows come in any order, from any number of workers. */
export interface TableTask {
  readonly table: EncryptedTable
  readonly keys: readonly KeyColumn[]
  readonly source: RowSource
  /** One pass over the table in the database. */
  count(): Promise<TaskCount>
  /**
   * The work on one page: whole pages for keys and providers, nothing is written yet.
   *
   * @throws what concerns more than single values: then the job stops, and may go on later
   */
  work(rows: readonly SourceRow[]): Promise<PageWork>
}
