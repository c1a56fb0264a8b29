import type { MortiseErrorCode } from '../../errors'

/** A value that a job could not deal with: where it is, and why; never the value. */
export interface JobFailure {
  /** `table`, or `schema.table`. */
  readonly table: string
  readonly column: string
  /** `Entity.property`. */
  readonly field: string
  /** Values of the primary key by column, in PostgreSQL's text form. */
  readonly primaryKey: Readonly<Record<string, string>>
  /**
   * ERR_KEY_NOT_FOUND, ERR_KEY_STATE, ERR_KEY_INTEGRITY, ERR_SUBJECT_SHREDDED for its key;
   * ERR_DECRYPTION_FAILED where the envelope does not hold; ERR_ENVELOPE_MALFORMED,
   * ERR_ENVELOPE_VERSION or ERR_ENVELOPE_FLAGS for what is not an envelope of the field; ERR_ROW_REFUSED
   * where a constraint or trigger of the table does not let the row be written; and what the
   * verb itself names.
   */
  readonly code: MortiseErrorCode
}

/** Numbers of values, not of rows; of subject keys in the table `mortise_subject_key`. */
export interface JobCounts {
  /** Dealt with: written, or checked; with `dryRun`, those that would be. */
  readonly done: number
  /** As the job would leave them already when it began. */
  readonly current: number
  /** Left alone because another transaction was writing or holding their row; run again for these. */
  readonly skipped: number
  /** Could not be dealt with. */
  readonly failedCount: number
}

/** What a job did to one table. */
export interface JobTableReport extends JobCounts {
  /** `table`, or `schema.table`. */
  readonly table: string
}

/** What a job did, over all its runs and all processes that took part. */
export interface JobReport extends JobCounts {
  /** 16 hex digits; null for a dry run, which no job is kept of. */
  readonly jobId: string | null
  /** The first 1,000 of those that could not be dealt with; `failedCount` is their number. */
  readonly failed: readonly JobFailure[]
  readonly tables: readonly JobTableReport[]
  /** Of this run. */
  readonly seconds: number
}

/** How many failures a report lists. */
export const MAX_REPORTED = 1000

/** Adds up the tables of a report. */
export function sumCounts(tables: readonly JobCounts[]): JobCounts {
  const sum = (count: keyof JobCounts): number =>
    tables.reduce((total, table) => total + table[count], 0)
  return {
    done: sum('done'),
    current: sum('current'),
    skipped: sum('skipped'),
    failedCount: sum('failedCount'),
  }
}
