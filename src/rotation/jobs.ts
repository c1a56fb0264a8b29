import { qualifyWith } from '../key-store/create-tables'
import type { Query } from '../key-store/store'
import { type EncryptedSchema, schemaOf } from '../schema'
import type { JobCounts } from './job/job-report'
import { askJobTables } from './job/job-tables'
import type { JobTable } from './job/ledger'
import { isoTime, ledgerStatements } from './job/ledger-statements'

/** How far a job is with one table, over everybody who takes part. */
export interface JobTableState extends JobCounts {
  /** `table`, or `schema.table`. */
  readonly table: string
  /** Values that there were to deal with when the job began. */
  readonly total: number
}

/** Somebody who works on a job now. */
export interface JobWorker {
  /** `host:process:number`. */
  readonly owner: string
  /** Until when others leave its shard alone without hearing from it. */
  readonly leaseUntil: Date
}

/** A batch job as it stands in the database. */
export interface JobState {
  /** 16 hex digits. */
  readonly jobId: string
  readonly verb: string
  /**
   * - `running`: begun and not ended, whether or not anybody works on it now
   * - `ended`: everything was dealt with, but for what the counts say
   * - `superseded`: a run with other parameters took its place
   * - `cancelled`: {@link cancelJob} ended it
   */
  readonly state: 'running' | 'ended' | 'superseded' | 'cancelled'
  /** Who began it; empty where nobody said. */
  readonly actor: string
  readonly beganAt: Date
  /** null while it runs. */
  readonly endedAt: Date | null
  readonly tables: readonly JobTableState[]
  /** Number of shards that nobody works on, that are worked on now, and that are done. */
  readonly shards: { readonly open: number; readonly leased: number; readonly done: number }
  readonly workers: readonly JobWorker[]
  /**
   * Open shards whose last worker ended with an error, by the code of the error; `unknown` for one
   * that mortise has no code for. Empty for a job that nothing stands in the way of.
   */
  readonly stopped: readonly { readonly code: string; readonly shards: number }[]
}

/**
 * Every batch job of the keyring's domain that runs, and of each verb the last one that does not. One
 * short statement for each, in the database of the data; any process that reaches it may ask.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns in the order in which they began
 * @throws ERR_CONFIG where `dataSource` has no encrypted tables, or the tables of jobs are missing
 */
export async function jobs(dataSource: object): Promise<JobState[]> {
  const { query, keyring, ownSchema } = schemaOf(dataSource)
  const found = await askJobTables(query, statements(ownSchema).list, [keyring.domain])
  const states: JobState[] = []
  for (const row of found) states.push(await stateOf(query, ownSchema, row))
  return states
}

async function stateOf(
  query: Query,
  ownSchema: EncryptedSchema['ownSchema'],
  row: Record<string, unknown>,
): Promise<JobState> {
  const { id, verb, state, actor, tables, began_at: beganAt, finished_at: endedAt } = row
  const counted = await query(ledgerStatements(ownSchema).counts, [id])
  const counts = new Map(counted.map((one) => [one.table_name, one]))
  const [shards] = await query(statements(ownSchema).shards, [id])
  return {
    jobId: String(id),
    verb: String(verb),
    state: state as JobState['state'],
    actor: String(actor),
    beganAt: new Date(String(beganAt)),
    endedAt: endedAt === null ? null : new Date(String(endedAt)),
    tables: (JSON.parse(String(tables)) as JobTable[]).map((table) => {
      return tableState(table, counts.get(table.table))
    }),
    ...shardState(shards ?? {}),
  }
}

function tableState({ table, total, current }: JobTable, row: Record<string, unknown> = {}) {
  const { done = 0, skipped = 0, failed = 0 } = row
  const counts = { done: Number(done), skipped: Number(skipped), failedCount: Number(failed) }
  return { table, total, current, ...counts }
}

function shardState(
  row: Record<string, unknown>,
): Pick<JobState, 'shards' | 'workers' | 'stopped'> {
  const { open, leased, done, workers, stopped } = row
  return {
    shards: { open: Number(open), leased: Number(leased), done: Number(done) },
    workers: pairs(workers).map(([owner, until]) => ({ owner, leaseUntil: new Date(until) })),
    stopped: pairs(stopped).map(([code, shards]) => ({ code, shards: Number(shards) })),
  }
}

function pairs(text: unknown): [string, string][] {
  return typeof text === 'string' ? (JSON.parse(text) as [string, string][]) : []
}

function statements(ownSchema: string | null): { list: string; shards: string } {
  const qualify = qualifyWith(ownSchema ?? undefined)
  const [job, shard] = ['mortise_job', 'mortise_job_shard'].map(qualify)
  return {
    list: `SELECT id, verb, state, actor, tables, ${isoTime('created_at')} AS began_at,
        ${isoTime('ended_at')} AS finished_at FROM ${job} WHERE domain = $1 ORDER BY created_at, id`,
    shards: `WITH s AS MATERIALIZED (SELECT owner, lease_until, stop_code, state = 'done' AS done,
          coalesce(lease_until > clock_timestamp(), false) AS leased, lease_until IS NULL AS free
        FROM ${shard} WHERE job_id = $1)
      SELECT count(*) FILTER (WHERE NOT done AND NOT leased)::text AS open,
        count(*) FILTER (WHERE leased)::text AS leased, count(*) FILTER (WHERE done)::text AS done,
        (SELECT json_agg(json_build_array(owner, lease_until) ORDER BY owner)::text
          FROM s WHERE leased) AS workers,
        (SELECT json_agg(json_build_array(code, shards) ORDER BY code)::text
          FROM (SELECT stop_code AS code, count(*)::text AS shards FROM s
            WHERE free AND NOT done AND stop_code IS NOT NULL GROUP BY stop_code) AS c) AS stopped
      FROM s`,
  }
}
