import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EncryptedSchema } from '../../schema'
import { refuseHiddenRows } from '../hidden-rows'
import { tableLabel } from '../table-path'
import { dryLedger } from './dry-ledger'
import { type JobHistory, type JobSubject, jobHistory } from './job-history'
import { type CheckedOptions, checkOptions, type JobOptions } from './job-options'
import {
  type JobCounts,
  type JobFailure,
  type JobReport,
  type JobTableReport,
  MAX_REPORTED,
  sumCounts,
} from './job-report'
import { type Job, LeaseLost, type Ledger, type LedgerFailure } from './ledger'
import { createPace } from './pace'
import { planShards } from './plan-shards'
import { runShard, type ShardRun } from './run-shard'
import {
  type JobIdentity,
  type JobPlan,
  joinStoredLedger,
  openStoredLedger,
  reopenStoredLedger,
} from './stored-ledger'
import type { TableTask } from './table-task'

/**
 * A job as a verb describes it. A run with the same verb, parameters, tables and columns, now or after
 * a crash, in this process or another, joins the job; one with others takes its place.
 */
export interface JobDefinition extends JobSubject {
  readonly tasks: readonly TableTask[]
  /** What this run did beforehand, outside of the job: the history counts it along. */
  readonly before?: JobCounts | undefined
}

/** A job that was begun or joined. */
export interface OpenJob {
  /** 16 hex digits; null for a dry run. */
  readonly id: string | null
  /**
   * Works on shards until none is left, with the workers of this process.
   *
   * @param shard - on this one only
   */
  work(shard?: number): Promise<void>
  /** Numbers of the shards that are not done, whoever works on them. */
  open(): Promise<number[]>
  /** Ends the job once no shard is open, and says what all who took part did. */
  report(): Promise<JobReport>
}

const ASK_AGAIN_MS = 250

/**
 * Runs a job to its end, or goes on with one that was interrupted.
 *
 * @throws ERR_CONFIG for options out of range, missing tables, and a role that may not see every row
 * @throws ERR_JOB_SUPERSEDED where another run took this one's place
 * @throws the signal's reason; what the verb's work throws, after the other workers have stopped
 */
export async function runJob(
  schema: EncryptedSchema,
  definition: JobDefinition,
  options: JobOptions,
): Promise<JobReport> {
  const job = await beginJob(schema, definition, options)
  await job.work()
  return job.report()
}

/** Begins a job, or joins the one that runs; see {@link runJob}. */
export async function beginJob(
  schema: EncryptedSchema,
  definition: JobDefinition,
  given: JobOptions,
): Promise<OpenJob> {
  const options = checkOptions(given)
  options.signal?.throwIfAborted()
  await checkTables(schema, definition)
  const history = jobHistory(schema.keyring, definition, options)
  const ledger = await openLedger(schema, definition, options, history)
  await history.begun(ledger.job)
  return openJob({ schema, definition, options, ledger, history })
}

/**
 * Takes part in a job that another process has begun.
 *
 * @returns null where it does not run any more
 * @throws ERR_CONFIG where this process would begin another job: its parameters or tables differ
 */
export async function joinJob(
  schema: EncryptedSchema,
  definition: JobDefinition,
  given: JobOptions,
  id: string,
): Promise<OpenJob | null> {
  const options = checkOptions(given)
  options.signal?.throwIfAborted()
  await checkTables(schema, definition)
  const identity = identityOf(definition, options)
  const ledger = await joinStoredLedger(schema, identity, options.leaseSeconds, id)
  if (ledger === null) return null
  const history = jobHistory(schema.keyring, definition, options)
  return openJob({ schema, definition, options, ledger, history })
}

async function checkTables({ query }: EncryptedSchema, { tasks }: JobDefinition): Promise<void> {
  await refuseHiddenRows(
    query,
    tasks.map(({ table }) => table),
  )
}

/** What a process that takes part in a job has. */
interface Participation {
  readonly schema: EncryptedSchema
  readonly definition: JobDefinition
  readonly options: CheckedOptions
  readonly ledger: Ledger
  readonly history: JobHistory
}

function openJob({ schema, definition, options, ledger, history }: Participation): OpenJob {
  const began = performance.now()
  return {
    id: ledger.job.id,
    work: (shard) => work(schema, definition, options, ledger, shard),
    open: () => ledger.open(),
    report: async () => {
      const report = await reportOf(ledger, definition.tasks)
      const { before } = definition
      await history.ended(ledger.job, sumCounts([...report.tables, ...(before ? [before] : [])]))
      await ledger.end()
      // What others wrote meanwhile has been dealt with as well.
      for (const { table, total } of ledger.job.tables) {
        options.onProgress({ table, done: total, total })
      }
      return { ...report, seconds: (performance.now() - began) / 1000 }
    },
  }
}

async function openLedger(
  schema: EncryptedSchema,
  definition: JobDefinition,
  options: CheckedOptions,
  history: JobHistory,
): Promise<Ledger> {
  const { dryRun, retry = false, leaseSeconds } = options
  const plan = () => planJob(schema, definition.tasks, options.shardRows)
  if (dryRun) {
    const { tables, shards } = await plan()
    return dryLedger(tables, shards)
  }
  const identity = identityOf(definition, options)
  if (retry) return reopenStoredLedger(schema, identity, leaseSeconds)
  const superseded = (job: Job) => history.ended(job, null)
  return openStoredLedger(schema, identity, leaseSeconds, { plan, superseded })
}

function identityOf(
  { verb, parameters, tasks }: JobDefinition,
  { actor = '' }: CheckedOptions,
): JobIdentity {
  const scope = tasks.map(({ table }) => {
    return [tableLabel(table), table.columns.map(({ column }) => column)] as const
  })
  return { verb, scope, parameters, actor }
}

async function planJob(
  { query }: EncryptedSchema,
  tasks: readonly TableTask[],
  rows: number,
): Promise<JobPlan> {
  const tables = []
  const shards = []
  for (const task of tasks) {
    const [count, planned] = await Promise.all([task.count(), planShards(query, task, rows)])
    tables.push({ table: tableLabel(task.table), ...count })
    shards.push(...planned)
  }
  return { tables, shards }
}

async function work(
  schema: EncryptedSchema,
  { tasks }: JobDefinition,
  options: CheckedOptions,
  ledger: Ledger,
  shard: number | undefined,
): Promise<void> {
  const failure = new AbortController()
  const signals = [failure.signal, ...(options.signal ? [options.signal] : [])]
  const run: ShardRun = {
    schema,
    ledger,
    options,
    pace: createPace(options, schema.query),
    signal: AbortSignal.any(signals),
    onPage: await progressOf(ledger, options),
  }
  const tasksByTable = new Map(tasks.map((task) => [tableLabel(task.table), task]))
  const workers = Array.from({ length: options.workers }, (_, i) =>
    workOn(run, tasksByTable, `${hostname()}:${process.pid}:${i}`, shard).catch((error) => {
      failure.abort(error)
      throw error
    }),
  )
  await Promise.allSettled(workers)
  if (failure.signal.aborted) throw reasonOf(failure.signal.reason, options.signal)
}

/** A timer that was aborted rejects with an error of its own. */
function reasonOf(error: unknown, signal: AbortSignal | undefined): unknown {
  const aborted = (error as { name?: unknown } | null)?.name === 'AbortError'
  return aborted && signal?.aborted ? signal.reason : error
}

/** One worker: takes shards until none is open. Waits for those of others, which may die. */
async function workOn(
  run: ShardRun,
  tasks: ReadonlyMap<string, TableTask>,
  owner: string,
  shard: number | undefined,
): Promise<void> {
  const { ledger, signal } = run
  for (;;) {
    signal.throwIfAborted()
    const claimed = await ledger.claim(owner, shard)
    if (claimed === null) return
    if (claimed === 'busy') {
      await sleep(ASK_AGAIN_MS, undefined, { signal })
      continue
    }
    try {
      await runShard(run, tasks.get(claimed.table) as TableTask, claimed)
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error
    }
  }
}

async function progressOf(
  { job, counts }: Ledger,
  { onProgress }: CheckedOptions,
): Promise<ShardRun['onPage']> {
  const before = await counts()
  const totals = new Map(job.tables.map(({ table, total }) => [table, total]))
  const done = new Map(
    job.tables.map(({ table }) => {
      const { done = 0, failedCount = 0 } = before.get(table) ?? {}
      return [table, done + failedCount]
    }),
  )
  const report = (table: string): void => {
    const total = totals.get(table) ?? 0
    onProgress({ table, done: Math.min(done.get(table) ?? 0, total), total })
  }
  for (const { table } of job.tables) report(table)
  return (table, values) => {
    done.set(table, (done.get(table) ?? 0) + values)
    report(table)
  }
}

async function reportOf(
  { job, counts, failures }: Ledger,
  tasks: readonly TableTask[],
): Promise<Omit<JobReport, 'seconds'>> {
  const perTable = await counts()
  const none = { done: 0, skipped: 0, failedCount: 0 }
  const tables: JobTableReport[] = job.tables.map(({ table, current }) => ({
    table,
    current,
    ...(perTable.get(table) ?? none),
  }))
  const failed = (await failures(MAX_REPORTED)).map((failure) => failureOf(tasks, failure))
  return { jobId: job.id, ...sumCounts(tables), failed, tables }
}

function failureOf(tasks: readonly TableTask[], failure: LedgerFailure): JobFailure {
  const { table: label, column, key, code } = failure
  const task = tasks.find(({ table }) => tableLabel(table) === label)
  const place = task?.table.columns.find((one) => one.column === column)
  const names = task?.table.primaryKey ?? []
  const primaryKey = Object.fromEntries(names.map((name, i) => [name, String(key[i])]))
  return { table: label, column, field: place?.field ?? column, primaryKey, code }
}
