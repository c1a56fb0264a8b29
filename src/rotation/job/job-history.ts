import type { Keyring } from '../../keys/keyring'
import { type HistoryRecord, type HistoryVerb, recordHistory } from '../history-record'
import type { JobOptions } from './job-options'
import type { JobCounts } from './job-report'
import type { Job } from './ledger'

/** What the history says about a job beside its counts. */
export interface JobSubject {
  readonly verb: HistoryVerb
  readonly parameters: HistoryRecord['parameters']
  /** The keys that values are moved to, or checked with. */
  readonly keyIds: readonly string[]
}

/** The two records of a job. Whoever takes part may write them: each is there once. */
export interface JobHistory {
  begun(job: Job): Promise<void>
  /** @param counts - null for a job whose place another one took */
  ended(job: Job, counts: JobCounts | null): Promise<void>
}

/** Writes the records of jobs; a dry run has none. */
export function jobHistory(
  keyring: Keyring,
  { verb, keyIds }: JobSubject,
  { actor = '', reason = '' }: JobOptions,
): JobHistory {
  const record = async (
    { id, createdAt, parameters }: Job,
    end: Pick<HistoryRecord, 'phase' | 'endedAt' | 'outcome' | 'counts'> & Partial<HistoryRecord>,
  ): Promise<void> => {
    if (id === null) return
    const beganAt = createdAt.toISOString()
    const job = { operation: id, verb, beganAt, actor, reason, keyIds, parameters }
    await recordHistory(keyring, { ...job, ...end })
  }
  return {
    begun: (job) => record(job, { phase: 'begun', endedAt: null, outcome: null, counts: {} }),
    ended: (job, counts) =>
      record(job, {
        phase: 'ended',
        endedAt: new Date().toISOString(),
        ...(counts === null
          ? { outcome: 'stopped', keyIds: [], counts: {} }
          : { outcome: outcomeOf(counts), counts: { ...counts } }),
      }),
  }
}

function outcomeOf({ skipped, failedCount }: JobCounts): HistoryRecord['outcome'] {
  return skipped + failedCount === 0 ? 'done' : 'incomplete'
}
