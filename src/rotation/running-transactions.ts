import { setTimeout as sleep } from 'node:timers/promises'
import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'

const ASK_AGAIN_MS = 100
const PATIENCE_MS = 60_000

/** A virtual id is one transaction's alone; unlike its start it is shown to every role. */
const RUNNING = `SELECT l.virtualxid AS id, 'process ' || l.pid AS name FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'virtualxid' AND l.granted AND l.pid <> pg_backend_pid()
    AND a.datname = current_database() AND a.usesysid IS NOT NULL`

const PREPARED = `SELECT transaction::text AS id, 'prepared transaction ' || gid AS name
  FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()`

/**
 * Waits until every transaction of the database that runs now has ended: those that write what they
 * decided before, prepared ones included, and those that read what was there before. As CREATE INDEX
 * CONCURRENTLY waits.
 *
 * @throws ERR_CONFIG (`retryable`) naming a process of the server, or a prepared transaction, that does
 *   not end in 60 s
 * @throws the signal's reason
 */
export async function runningTransactionsEnded(
  query: Query,
  signal: AbortSignal | undefined,
): Promise<void> {
  let waiting = new Map([...(await namesOf(query, RUNNING)), ...(await namesOf(query, PREPARED))])
  const until = performance.now() + PATIENCE_MS
  while (waiting.size > 0) {
    signal?.throwIfAborted()
    if (performance.now() > until) throw stillOpen([...waiting.values()])
    await sleep(ASK_AGAIN_MS, undefined, { signal })
    const running = await namesOf(query, RUNNING)
    // Asked second: what is not in the first answer because it was prepared is in this one.
    const prepared = await namesOf(query, PREPARED)
    const known = waiting
    const mayBePrepared = [...known.keys()].some((id) => !running.has(id) && !prepared.has(id))
    waiting = new Map([
      ...[...running].filter(([id]) => known.has(id)),
      // PREPARE gives a transaction another id, which tells nothing of the one before.
      ...[...prepared].filter(([id]) => known.has(id) || mayBePrepared),
    ])
  }
}

/** What transactions are called, by id. */
async function namesOf(query: Query, statement: string): Promise<ReadonlyMap<string, string>> {
  const rows = await query(statement, [])
  return new Map(rows.map(({ id, name }) => [String(id), String(name)]))
}

function stillOpen(names: readonly string[]): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `transactions that began before this step are still open (${names.join(', ')}; see ` +
      'pg_stat_activity and pg_prepared_xacts): run it again when they have ended, or end them',
    { retryable: true },
  )
}
