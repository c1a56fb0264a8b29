import { MAX_REPORTED } from './job-report'
import type { Job, JobTable, Ledger, LedgerFailure, Shard } from './ledger'
import type { PlannedShard } from './plan-shards'

/** Keeps a dry run in memory: its shards, counts, and as many failures as a report lists. */
export function dryLedger(tables: readonly JobTable[], shards: readonly PlannedShard[]): Ledger {
  const job: Job = { id: null, parameters: {}, tables, createdAt: new Date() }
  const open: Shard[] = shards.map((shard, number) => ({
    ...shard,
    number,
    cursor: null,
    onlyLeft: false,
    fence: 0,
  }))
  const counts = new Map(
    tables.map(({ table }) => [table, { done: 0, skipped: 0, failedCount: 0 }]),
  )
  const failures: LedgerFailure[] = []
  return {
    job,
    claim: async () => open.shift() ?? null,
    checkpoint: async (_, { table }, { done, failed }) => {
      const count = counts.get(table)
      if (!count) return
      count.done += done
      count.failedCount += failed.length
      const kept = failed.slice(0, MAX_REPORTED - failures.length)
      failures.push(...kept.map((failure) => ({ ...failure, table })))
    },
    renew: async () => {},
    release: async () => {},
    leaveRange: async () => {},
    finish: async () => {},
    left: async () => [],
    counts: async () => counts,
    failures: async (limit) => failures.slice(0, limit),
    open: async () => open.map(({ number }) => number),
    end: async () => {},
  }
}
