import { setTimeout as sleep } from 'node:timers/promises'
import type { Query } from '../key-store/store'

const ASK_AGAIN_MS = 200
const PATIENCE_MS = 30_000

/**
 * Waits until every transaction has ended that may have written something before now and not
 * committed it, prepared ones and those of other databases included: a count that begins afterwards sees
 * all of it. Those that only read, a running dump for instance, are not waited for; see
 * `runningTransactionsEnded` for where these matter too.
 *
 * @returns false where one is still open after 30 s
 * @throws the signal's reason
 */
export async function writingTransactionsEnded(
  query: Query,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  // A number of its own is higher than all that were given out before; a snapshot's xmax need not be.
  const [now] = await query('SELECT pg_current_xact_id()::text AS horizon', [])
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    const [oldest] = await query(
      'SELECT (pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8)::text AS ended',
      [String(now?.horizon)],
    )
    if (oldest?.ended === 'true') return true
    if (performance.now() > until) return false
    await sleep(ASK_AGAIN_MS, undefined, { signal })
  }
}
