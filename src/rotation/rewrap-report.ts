import type { MortiseErrorCode } from '../errors'

/** How a rewrap runs. */
export interface RewrapOptions {
  /**
   * Rows per page: what one statement locks, and what is in memory at a time. 1 to 10,000.
   *
   * @defaultValue 1,000
   */
  readonly batchSize?: number | undefined
  /** Called when the values of a table were counted, after each of its pages, and at its end. */
  readonly onProgress?: ((progress: RewrapProgress) => void) | undefined
  /** Aborting rejects with the signal's reason, between two pages; what is written stays. */
  readonly signal?: AbortSignal | undefined
  /**
   * Does everything except writing: shows which values could not be rewrapped.
   *
   * @defaultValue false
   */
  readonly dryRun?: boolean | undefined
}

/** How far a rewrap is with one table. */
export interface RewrapProgress {
  /** `table`, or `schema.table`. */
  readonly table: string
  /** Values dealt with, up to `total`. */
  readonly done: number
  /** Values that were under an older key when the table's turn came. */
  readonly total: number
}

/** A value that could not be rewrapped: where it is, and why; never the value. */
export interface RewrapFailure {
  /** `table`, or `schema.table`. */
  readonly table: string
  readonly column: string
  /** `Entity.property`. */
  readonly field: string
  /** Values of the primary key by column, in PostgreSQL's text form. */
  readonly primaryKey: Readonly<Record<string, string>>
  /**
   * ERR_KEY_NOT_FOUND, ERR_KEY_STATE, ERR_KEY_INTEGRITY for its key; ERR_CONFIG for a subject key
   * where the active key has no material to wrap it; ERR_DECRYPTION_FAILED where the
   * wrapped DEK or the commitment does not hold; ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_VERSION or
   * ERR_ENVELOPE_FLAGS for what this release cannot rewrap.
   */
  readonly code: MortiseErrorCode
}

/** Numbers of values, not of rows; of subject keys in the table `mortise_subject_key`. */
export interface RewrapCounts {
  /** Moved to the active key; with `dryRun`, those that would be. */
  readonly rewrapped: number
  /** Under the active key (or a newer one) already when the table's turn came. */
  readonly current: number
  /** Left alone because another transaction was writing or holding their row; run again for these. */
  readonly skipped: number
  /** Could not be rewrapped. */
  readonly failedCount: number
}

/** What a rewrap did to one table. */
export interface RewrapTableReport extends RewrapCounts {
  /** `table`, or `schema.table`. */
  readonly table: string
}

/** What a rewrap did. */
export interface RewrapReport extends RewrapCounts {
  /** The key that the values are under now, 16 hex digits. */
  readonly keyId: string
  /** The first 1,000 of those that could not be rewrapped; `failedCount` is their number. */
  readonly failed: readonly RewrapFailure[]
  readonly tables: readonly RewrapTableReport[]
  readonly seconds: number
}
