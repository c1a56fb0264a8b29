import { JOB_TABLES } from '../../key-store/tables'
import { type JobState, jobs } from '../../rotation/jobs'
import { tablePath } from '../../rotation/table-path'
import { counted } from '../text-table'
import { type Found, ok, skipped, warning } from './finding'
import type { Setup } from './setup'

const SUBJECT = 'jobs'

/**
 * No job stands still, and none left a value behind. A job whose workers are gone is not lost: whoever
 * runs it again goes on where it stopped.
 */
export async function checkJobs({ dataSource, schemaName, catalogue }: Setup): Promise<Found[]> {
  if (JOB_TABLES.some(({ name }) => catalogue({ schema: schemaName, name }) === null)) {
    return [skipped(SUBJECT, 'their tables do not exist', null)]
  }
  const findings = (await jobs(dataSource)).flatMap((job) => judge(job, schemaName))
  return findings.length > 0 ? findings : [ok(SUBJECT, 'none stands still, and none left a value')]
}

function judge(job: JobState, schema: string | null): Found[] {
  const { verb, jobId, state, tables } = job
  const failed = tables.reduce((sum, { failedCount }) => sum + failedCount, 0)
  const left = warning(
    `${verb} ${jobId}`,
    `left ${counted(failed, 'value')} that it could not do`,
    `SELECT * FROM ${tablePath({ schema, name: 'mortise_job_row' })} ` +
      `WHERE job_id = '${jobId}' AND code <> 'left';\n` +
      `-- once they are repaired: ${commandOf(job)} --retry`,
  )
  return [
    ...(state === 'running' ? [progress(job)] : []),
    ...(failed > 0 && (state === 'running' || state === 'ended') ? [left] : []),
  ]
}

function progress(job: JobState): Found {
  const { verb, jobId, beganAt, shards, workers, stopped } = job
  const parts = `${shards.done} of ${shards.open + shards.leased + shards.done} parts are done`
  const since = beganAt.toISOString()
  if (workers.length > 0) return ok(`${verb} ${jobId}`, `runs since ${since}: ${parts}`)
  const codes = stopped.map(({ code }) => code).join(', ')
  const why = codes === '' ? '' : `; it stopped with ${codes}`
  const finding = `began at ${since} and no worker goes on with it: ${parts}${why}`
  return warning(`${verb} ${jobId}`, finding, commandOf(job))
}

/** Those of `adopt` name the state to reach, which the list of jobs does not tell. */
function commandOf({ verb }: JobState): string {
  return `npx mortise ${verb}${verb === 'adopt' ? ' --to STATE' : ''} --data-source FILE`
}
