import { setTimeout as sleep } from 'node:timers/promises'
import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'

const ASK_AGAIN_MS = 100
const PATIENCE_MS = 60_000

/** A virtual id is one transaction's alone; unlike its start it is shown to every role. */
const RUNNING = `SELECT l.virtualxid AS id, l.pid::text AS pid FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'virtualxid' AND l.granted AND l.pid <> pg_backend_pid()
    AND a.datname = current_database() AND a.usesysid IS NOT NULL`

/**
 * Waits until every transaction of the database that runs now has ended: those that write what they
 * decided before, and those that read what was there before. As CREATE INDEX CONCURRENTLY waits.
 *
 * @throws ERR_CONFIG (`retryable`) naming a process of the server whose transaction does not end in 60 s
 * @throws the signal's reason
 */
export async function runningTransactionsEnded(
  query: Query,
  signal: AbortSignal | undefined,
): Promise<void> {
  let waiting = await running(query)
  const until = performance.now() + PATIENCE_MS
  while (waiting.size > 0) {
    signal?.throwIfAborted()
    if (performance.now() > until) throw stillOpen([...waiting.values()])
    await sleep(ASK_AGAIN_MS, undefined, { signal })
    const now = await running(query)
    waiting = new Map([...waiting].filter(([id]) => now.has(id)))
  }
}

/** Process ids of the server by transaction. */
async function running(query: Query): Promise<ReadonlyMap<string, string>> {
  const rows = await query(RUNNING, [])
  return new Map(rows.map(({ id, pid }) => [String(id), String(pid)]))
}

function stillOpen(pids: readonly string[]): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `transactions that began before this step are still open (process ${pids.join(', ')} of the ` +
      'server, see pg_stat_activity): run it again when they have ended, or end them',
    { retryable: true },
  )
}
