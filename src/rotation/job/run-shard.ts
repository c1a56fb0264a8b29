import { setTimeout as sleep } from 'node:timers/promises'
import type { EncryptedSchema } from '../../schema'
import type { CheckedOptions } from './job-options'
import type { RowKey } from './key-columns'
import type { Checkpoint, Ledger, Shard } from './ledger'
import type { Pace } from './pace'
import { readKeys, readRange } from './page-statement'
import type { SourceRow, TableTask } from './table-task'

/** What the workers of one process share. */
export interface ShardRun {
  readonly schema: EncryptedSchema
  readonly ledger: Ledger
  readonly options: CheckedOptions
  readonly pace: Pace
  /** Aborted by the caller, and where another worker of this process failed. */
  readonly signal: AbortSignal
  /** Called after each page with the values that were dealt with. */
  readonly onPage: (table: string, values: number) => void
}

/** Rows that were locked are tried again after these times, when the rest of their shard is done. */
const RETRY_AFTER_MS = [0, 100, 400]

/**
 * A process that hangs within a page, or a machine that is gone without a word, must not hold its
 * locks for longer than its lease: PostgreSQL would wait for hours. And no page waits for the disk: a
 * server that crashes loses rows and cursor of its last pages together, and the commit that ends the
 * shard waits for all that came before it.
 */
const PAGE_SETTINGS = `SELECT set_config('idle_in_transaction_session_timeout', $1, true),
    set_config('synchronous_commit', 'off', true)`

/** Works through a leased shard: its range, and then the rows that had to be left. */
export async function runShard(run: ShardRun, task: TableTask, shard: Shard): Promise<void> {
  const { ledger, options } = run
  const renewal = setInterval(
    () => void ledger.renew(shard).catch(() => {}),
    (options.leaseSeconds * 1000) / 3,
  )
  try {
    if (!shard.onlyLeft) await runRange(run, task, shard)
    await runLeft(run, task, shard)
    await ledger.finish(shard)
  } catch (error) {
    // Without it, the shard is free when its lease ends.
    await ledger.release(shard).catch(() => {})
    throw error
  } finally {
    clearInterval(renewal)
  }
}

async function runRange(run: ShardRun, task: TableTask, shard: Shard): Promise<void> {
  const { schema, ledger, options, pace, signal } = run
  let after = shard.cursor ?? shard.after
  for (;;) {
    signal.throwIfAborted()
    await pace.before(signal)
    const range = { after, upTo: shard.upTo }
    const { rows, more } = await readRange(schema.query, task, range, options.batchSize)
    const last = rows.at(-1)
    if (last) {
      await runPage(run, task, shard, rows, { cursor: last.key, settled: [] })
      after = last.key
      await pace.after(rows.length, signal)
    }
    if (!more) break
  }
  await ledger.leaveRange(shard)
}

async function runLeft(run: ShardRun, task: TableTask, shard: Shard): Promise<void> {
  const { schema, ledger, options, pace, signal } = run
  for (const wait of RETRY_AFTER_MS) {
    let after: RowKey | null = null
    for (;;) {
      const wanted = await ledger.left(shard, after, options.batchSize)
      if (wanted.length === 0) break
      if (after === null) await sleep(wait, undefined, { signal })
      signal.throwIfAborted()
      await pace.before(signal)
      const { rows, settled } = await readKeys(schema.query, task, wanted)
      await runPage(run, task, shard, rows, { cursor: null, settled })
      after = settled.at(-1) as RowKey
      await pace.after(rows.length, signal)
    }
    if (after === null) return
  }
}

async function runPage(
  run: ShardRun,
  task: TableTask,
  shard: Shard,
  rows: readonly SourceRow[],
  place: Pick<Checkpoint, 'cursor' | 'settled'>,
): Promise<void> {
  const { schema, ledger, options, onPage } = run
  const { failed, values, write } = await task.work(rows)
  const written = await schema.transaction(async (query) => {
    await query(PAGE_SETTINGS, [String(options.leaseSeconds * 1000)])
    const result = options.dryRun ? { done: values, left: [] } : await write(query)
    const all = [...failed, ...(result.failed ?? [])]
    await ledger.checkpoint(query, shard, { ...result, ...place, failed: all })
    return result.done + all.length
  })
  onPage(shard.table, written)
}
