import { MortiseError } from '../errors'
import { schemaOf } from '../schema'
import { checkHistoryOptions, type HistoryOptions, type HistoryVerb } from './history-record'
import { jobHistory } from './job/job-history'
import { askJobTables, jobOf } from './job/job-tables'
import { ledgerStatements } from './job/ledger-statements'

/** Which job to cancel. */
export interface CancelJobOptions extends HistoryOptions {
  /** 16 hex digits, as `jobs()` and reports give it. */
  readonly jobId: string
}

/**
 * Ends a job for good. Whoever works on it writes no further page, and its run rejects with
 * ERR_JOB_CANCELLED; what was written stays. Run again, its verb begins anew. Two short statements.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns the verb of the job
 * @throws ERR_CONFIG where the domain has no such job or it has ended already, and where the tables of
 *   jobs are missing
 * @throws ERR_KEY_STORE where it cannot be recorded in the history; it is not cancelled then
 */
export async function cancelJob(
  dataSource: object,
  { jobId, actor, reason }: CancelJobOptions,
): Promise<{ readonly verb: string }> {
  checkHistoryOptions({ actor, reason })
  const { query, keyring, ownSchema } = schemaOf(dataSource)
  const sql = ledgerStatements(ownSchema)
  const [found] = await askJobTables(query, sql.find, [keyring.domain, jobId])
  if (found?.state !== 'running') {
    if (found?.state === 'cancelled') return { verb: String(found.verb) }
    const problem = found === undefined ? 'does not exist' : `is ${found.state} already`
    throw new MortiseError(
      'ERR_CONFIG',
      `job ${jobId} of domain ${keyring.domain} ${problem}: only a job that runs can be cancelled`,
    )
  }
  const job = jobOf(found)
  const subject = { verb: found.verb as HistoryVerb, parameters: job.parameters, keyIds: [] }
  await jobHistory(keyring, subject, { actor, reason }).ended(job, null)
  // One that ended in this moment is refused like any other.
  if ((await query(sql.cancel, [jobId])).length > 0) return { verb: subject.verb }
  return cancelJob(dataSource, { jobId, actor, reason })
}
