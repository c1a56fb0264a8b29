import { JOB_TABLES } from '../../key-store/tables'
import { tablePath } from '../../rotation/table-path'
import { counted } from '../text-table'
import { type Found, ok, skipped, warning } from './finding'
import type { Setup } from './setup'

const SUBJECT = 'jobs'

/**
 * No job stands still, and none left a value behind. A job whose workers are gone is not lost: whoever
 * runs it again goes on where it stopped.
 */
export async function checkJobs(setup: Setup): Promise<Found[]> {
  const { keyring, schemaName: schema, catalogue, query } = setup
  if (JOB_TABLES.some(({ name }) => catalogue({ schema, name }) === null)) {
    return [skipped(SUBJECT, 'their tables do not exist', null)]
  }
  const findings = (await query(jobsStatement(schema), [keyring.domain])).flatMap((row) =>
    judge(row, schema),
  )
  return findings.length > 0 ? findings : [ok(SUBJECT, 'none stands still, and none left a value')]
}

function jobsStatement(schema: string | null): string {
  const [job, shard, row] = ['mortise_job', 'mortise_job_shard', 'mortise_job_row'].map((name) =>
    tablePath({ schema, name }),
  )
  return `SELECT j.id, j.verb, j.state, to_char(j.created_at AT TIME ZONE 'UTC',
      'YYYY-MM-DD HH24:MI "UTC"') AS begun, s.shards, s.done, s.leased, r.failed, r.codes
    FROM ${job} j
    CROSS JOIN LATERAL (SELECT count(*)::int AS shards,
        count(*) FILTER (WHERE state = 'done')::int AS done,
        count(*) FILTER (WHERE lease_until > clock_timestamp())::int AS leased
      FROM ${shard} WHERE job_id = j.id) AS s
    CROSS JOIN LATERAL (SELECT count(*)::int AS failed,
        string_agg(DISTINCT code, ', ' ORDER BY code) AS codes
      FROM ${row} WHERE job_id = j.id AND code <> 'left') AS r
    WHERE j.domain = $1 AND j.state IN ('running', 'ended') ORDER BY j.created_at, j.id`
}

function judge(row: Record<string, unknown>, schema: string | null): Found[] {
  const { id, verb, state, begun, shards, done, leased, failed, codes } = row
  const subject = `${verb} ${id}`
  const parts = `${done} of ${shards} parts are done`
  const again = `npx mortise ${verb} --data-source FILE`
  const running =
    Number(leased) > 0
      ? ok(subject, `runs since ${begun}: ${parts}`)
      : warning(subject, `began at ${begun} and no worker goes on with it: ${parts}`, again)
  const table = tablePath({ schema, name: 'mortise_job_row' })
  const left = warning(
    subject,
    `left ${counted(Number(failed), 'value')} that it could not do (${codes})`,
    `SELECT * FROM ${table} WHERE job_id = '${id}' AND code <> 'left';\n` +
      `-- once they are repaired: ${again} --retry`,
  )
  return [...(state === 'running' ? [running] : []), ...(Number(failed) > 0 ? [left] : [])]
}
