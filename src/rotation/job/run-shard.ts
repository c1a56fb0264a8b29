import { setTimeout as sleep } from 'node:timers/promises'
import type { EncryptedSchema } from '../../schema'
import type { CheckedOptions } from './job-options'
import type { RowKey } from './key-columns'
import type { Checkpoint, Ledger, Shard } from './ledger'
import type { Pace } from './pace'
import { SAVEPOINT } from './page-savepoint'
import { readKeys, readRange } from './page-statement'
import type { PageWork, TableTask } from './table-task'

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
 * What the transaction of a page begins with, in one message. A process that hangs within a page, or a
 * machine that is gone without a word, must not hold its locks for longer than its lease: PostgreSQL
 * would wait for hours. And no page waits for the disk: a server that crashes loses rows and cursor of
 * its last pages together, and the commit that ends the shard waits for all that came before it.
 */
function pageBegin(leaseSeconds: number): string {
  return `SET LOCAL idle_in_transaction_session_timeout = ${leaseSeconds * 1000};
    SET LOCAL synchronous_commit = off; ${SAVEPOINT}`
}

/** A page that was read and worked on, and that nothing was written of. */
interface PreparedPage {
  readonly work: PageWork
  readonly place: Pick<Checkpoint, 'cursor' | 'settled'>
}

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
  const pages = (signal: AbortSignal) => preparedPages(run, task, shard, signal)
  for await (const page of oneAhead(pages, run.signal)) {
    run.signal.throwIfAborted()
    await writePage(run, shard, page)
  }
  await run.ledger.leaveRange(shard)
}

/** The pages of a range. */
async function* preparedPages(
  { schema, options, pace }: ShardRun,
  task: TableTask,
  shard: Shard,
  signal: AbortSignal,
): AsyncGenerator<PreparedPage, void> {
  let after = shard.cursor ?? shard.after
  for (let more = true; more; ) {
    signal.throwIfAborted()
    await pace.before(signal)
    const range = { after, upTo: shard.upTo }
    const page = await readRange(schema.query, task, range, options.batchSize)
    const cursor = page.rows.at(-1)?.key
    if (cursor) {
      yield { work: await task.work(page.rows), place: { cursor, settled: [] } }
      after = cursor
      await pace.after(page.rows.length, signal)
    }
    more = page.more
  }
}

/**
 * Has the next thing made while one is used: the database writes a page while this process works on the
 * one behind it, and neither waits for the other.
 *
 * @param make - is told to stop where the things are used no further, and waited for
 */
async function* oneAhead<T>(
  make: (signal: AbortSignal) => AsyncGenerator<T, void>,
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  const unused = new AbortController()
  const things = make(AbortSignal.any([signal, unused.signal]))
  let next = things.next()
  try {
    for (let one = await next; !one.done; one = await next) {
      next = things.next()
      // Told where it is awaited, and not before: what was made already is used.
      next.catch(() => {})
      yield one.value
    }
  } finally {
    unused.abort()
    await next.catch(() => {})
  }
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
      const work = await task.work(rows)
      await writePage(run, shard, { work, place: { cursor: null, settled } })
      after = settled.at(-1) as RowKey
      await pace.after(rows.length, signal)
    }
    if (after === null) return
  }
}

async function writePage(
  { schema, ledger, options, onPage }: ShardRun,
  shard: Shard,
  { work, place }: PreparedPage,
): Promise<void> {
  const { failed, values, write } = work
  const written = await schema.transaction(async (query) => {
    await query(pageBegin(options.leaseSeconds), [])
    const result = options.dryRun ? { done: values, left: [] } : await write(query)
    const all = [...failed, ...(result.failed ?? [])]
    await ledger.checkpoint(query, shard, { ...result, ...place, failed: all })
    return result.done + all.length
  })
  onPage(shard.table, written)
}
