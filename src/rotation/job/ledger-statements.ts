import { type QualifyTable, qualifyWith } from '../../key-store/create-tables'

/** The SQL of a stored ledger. Every statement of a shard is refused once its job does not run. */
export interface LedgerStatements {
  readonly findRunning: string
  readonly findEnded: string
  readonly supersede: string
  readonly forgetEnded: string
  readonly insertJob: string
  readonly insertShards: string
  readonly forgetJob: string
  readonly reopenJob: string
  readonly reopenRows: string
  readonly reopenShards: string
  readonly find: string
  readonly cancel: string
  readonly noteStop: string
  readonly stateOf: string
  readonly claim: string
  readonly openShards: string
  readonly checkpoint: string
  readonly renew: string
  readonly release: string
  readonly leaveRange: string
  readonly finish: string
  readonly settle: string
  readonly insertRows: string
  readonly left: string
  readonly counts: string
  readonly failures: string
  readonly open: string
  readonly end: string
}

/** A point in time as text that reads the same whatever `DateStyle` the session has. */
export function isoTime(column: string): string {
  return `to_json(${column}) #>> '{}'`
}

const LEASE = `clock_timestamp() + $4::integer * interval '1 second'`
const SHARD = 'job_id = $1 AND shard = $2::integer AND fence = $3::integer'

/** @param schema - where the tables are; null for the search path */
export function ledgerStatements(schema: string | null): LedgerStatements {
  const qualify: QualifyTable = qualifyWith(schema ?? undefined)
  const [job, shard, row] = ['mortise_job', 'mortise_job_shard', 'mortise_job_row'].map(qualify)
  const running = `EXISTS (SELECT 1 FROM ${job} j WHERE j.id = $1 AND j.state = 'running')`
  const columns = `id, scope, parameters, tables, ${isoTime('created_at')} AS began_at`
  return {
    findRunning: `SELECT ${columns} FROM ${job}
      WHERE domain = $1 AND verb = $2 AND state = 'running'`,
    findEnded: `SELECT ${columns} FROM ${job}
      WHERE domain = $1 AND verb = $2 AND scope = $3 AND state = 'ended' ORDER BY created_at DESC, id LIMIT 1`,
    supersede: `UPDATE ${job} SET state = 'superseded', ended_at = clock_timestamp()
      WHERE id = $1 AND state = 'running'`,
    forgetEnded: `DELETE FROM ${job} WHERE domain = $1 AND verb = $2 AND scope = $3 AND state <> 'running'`,
    insertJob: `INSERT INTO ${job} (id, domain, verb, scope, parameters, state, actor, tables, created_at)
      VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, clock_timestamp())
      ON CONFLICT (domain, verb, scope) WHERE state = 'running' DO NOTHING RETURNING id`,
    insertShards: `INSERT INTO ${shard}
        (job_id, shard, table_name, lower_key, upper_key, state, fence, done, failed)
      SELECT $1, u.shard, u.table_name, u.lower_key, u.upper_key, 'open', 0, 0, 0
      FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[])
        AS u(shard, table_name, lower_key, upper_key)`,
    forgetJob: `DELETE FROM ${job} WHERE id = $1`,
    reopenJob: `INSERT INTO ${job} (id, domain, verb, scope, parameters, state, actor, tables, created_at)
      SELECT $2, domain, verb, scope, parameters, 'running', $3, tables, clock_timestamp() FROM ${job}
      WHERE id = $1 AND state = 'ended'
      ON CONFLICT (domain, verb, scope) WHERE state = 'running' DO NOTHING RETURNING id`,
    reopenRows: `INSERT INTO ${row} (job_id, shard, row_key, column_name, code, amount)
      SELECT $2, shard, row_key, '', 'left', sum(amount) FROM ${row} WHERE job_id = $1
      GROUP BY shard, row_key`,
    reopenShards: `UPDATE ${shard} s SET job_id = $2, failed = 0, owner = NULL, lease_until = NULL,
        state = CASE WHEN EXISTS (SELECT 1 FROM ${row} r
          WHERE r.job_id = $2 AND r.shard = s.shard) THEN 'left' ELSE 'done' END
      WHERE s.job_id = $1`,
    find: `SELECT verb, state, ${columns} FROM ${job} WHERE domain = $1 AND id = $2`,
    cancel: `UPDATE ${job} SET state = 'cancelled', ended_at = clock_timestamp()
      WHERE id = $1 AND state = 'running' RETURNING 1`,
    noteStop: `UPDATE ${shard} SET stop_code = $3 WHERE job_id = $1 AND shard = $2::integer
      AND state <> 'done' AND lease_until IS NULL`,
    stateOf: `SELECT state FROM ${job} WHERE id = $1`,
    // Materialized: a join that ran the subquery again for another row would lease that one as well.
    claim: `WITH c AS MATERIALIZED (SELECT shard FROM ${shard} WHERE job_id = $1 AND state <> 'done'
          AND ($3::integer IS NULL OR shard = $3) AND ${running}
          AND (lease_until IS NULL OR lease_until < clock_timestamp())
        ORDER BY shard LIMIT 1 FOR UPDATE SKIP LOCKED)
      UPDATE ${shard} s SET owner = $2, fence = s.fence + 1, lease_until = ${LEASE},
        stop_code = NULL
      FROM c WHERE s.job_id = $1 AND s.shard = c.shard
      RETURNING s.shard, s.table_name, s.lower_key, s.upper_key, s.cursor_key, s.state, s.fence`,
    openShards: `SELECT count(*)::text AS count FROM ${shard} WHERE job_id = $1 AND state <> 'done'
      AND ($2::integer IS NULL OR shard = $2)`,
    checkpoint: `UPDATE ${shard} SET lease_until = ${LEASE}, done = done + $5::bigint,
        failed = failed + $6::bigint, cursor_key = coalesce($7, cursor_key)
      WHERE ${SHARD} AND ${running} RETURNING 1`,
    // One that arrives after the shard was given back is too late.
    renew: `UPDATE ${shard} SET lease_until = ${LEASE} WHERE ${SHARD} AND lease_until IS NOT NULL`,
    release: `UPDATE ${shard} SET lease_until = NULL, owner = NULL WHERE ${SHARD}`,
    leaveRange: `UPDATE ${shard} SET state = 'left' WHERE ${SHARD}`,
    finish: `UPDATE ${shard} SET state = 'done', lease_until = NULL, owner = NULL WHERE ${SHARD}`,
    settle: `WITH known AS (DELETE FROM ${row} WHERE job_id = $1 AND shard = $2::integer
        AND row_key = ANY ($3::text[]) RETURNING code)
      SELECT count(*) FILTER (WHERE code <> 'left')::text AS failed FROM known`,
    insertRows: `INSERT INTO ${row} (job_id, shard, row_key, column_name, code, amount)
      SELECT $1, $2::integer, u.row_key, u.column_name, u.code, u.amount
      FROM unnest($3::text[], $4::text[], $5::text[], $6::integer[])
        AS u(row_key, column_name, code, amount)
      ON CONFLICT (job_id, shard, row_key, column_name)
      DO UPDATE SET code = excluded.code, amount = excluded.amount`,
    left: `SELECT row_key FROM ${row} WHERE job_id = $1 AND shard = $2::integer AND code = 'left'
      AND row_key > $3 ORDER BY row_key LIMIT $4::integer`,
    counts: `SELECT s.table_name, sum(s.done)::text AS done, sum(s.failed)::text AS failed,
        sum((SELECT coalesce(sum(r.amount), 0) FROM ${row} r
          WHERE r.job_id = s.job_id AND r.shard = s.shard AND r.code = 'left'))::text AS skipped
      FROM ${shard} s WHERE s.job_id = $1 GROUP BY s.table_name`,
    failures: `SELECT s.table_name, r.row_key, r.column_name, r.code FROM ${row} r
      JOIN ${shard} s ON s.job_id = r.job_id AND s.shard = r.shard
      WHERE r.job_id = $1 AND r.code <> 'left' ORDER BY r.shard, r.row_key, r.column_name LIMIT $2`,
    open: `SELECT shard FROM ${shard} WHERE job_id = $1 AND state <> 'done' ORDER BY shard`,
    end: `UPDATE ${job} SET state = 'ended', ended_at = clock_timestamp() WHERE id = $1
      AND state = 'running' AND NOT EXISTS
        (SELECT 1 FROM ${shard} s WHERE s.job_id = $1 AND s.state <> 'done')`,
  }
}
