import { randomBytes } from '../../crypto/random'
import { MortiseError, type MortiseErrorCode } from '../../errors'
import type { Query } from '../../key-store/store'
import type { EncryptedSchema } from '../../schema'
import { askJobTables, jobOf } from './job-tables'
import { keepRows, keyOf, keyText, settleRows } from './kept-rows'
import type { RowKey } from './key-columns'
import { type Job, type JobTable, LeaseLost, type Ledger, type Shard } from './ledger'
import { type LedgerStatements, ledgerStatements } from './ledger-statements'
import type { PlannedShard } from './plan-shards'

/** Which job a ledger is for. */
export interface JobIdentity {
  readonly verb: string
  /** Names of the tables, each with those of its encrypted columns. */
  readonly scope: readonly (readonly [table: string, columns: readonly string[]])[]
  /**
   * Runs with equal scope and parameters are one job. Any other run over one of its tables takes its
   * place; those over other tables, of an application beside this one, run beside it.
   */
  readonly parameters: Job['parameters']
  readonly actor: string
}

/** What a new job begins with. */
export interface JobPlan {
  readonly tables: readonly JobTable[]
  readonly shards: readonly PlannedShard[]
}

/** What is asked of the verb where a job begins. */
interface JobBeginning {
  /** Counts and divides the tables; takes as long as that takes. */
  readonly plan: () => Promise<JobPlan>
  /** Told before a job with other parameters is ended. */
  readonly superseded: (job: Job) => Promise<void>
}

/** The running job of a verb, joined or begun. */
export async function openStoredLedger(
  schema: EncryptedSchema,
  identity: JobIdentity,
  leaseSeconds: number,
  { plan, superseded }: JobBeginning,
): Promise<Ledger> {
  const sql = ledgerStatements(schema.ownSchema)
  const { domain } = schema.keyring
  for (;;) {
    const running = await askJobTables(schema.query, sql.findRunning, [domain, identity.verb])
    const own = running.find((row) => isSame(row, identity))
    if (own) return storedLedger(schema, sql, jobOf(own), leaseSeconds)
    for (const other of running.filter((row) => sharesTable(row, identity))) {
      await superseded(jobOf(other))
      await schema.query(sql.supersede, [other.id])
    }
    await begin(schema, sql, identity, await plan())
  }
}

function isSame(row: Record<string, unknown>, { scope, parameters }: JobIdentity): boolean {
  return row.scope === JSON.stringify(scope) && row.parameters === JSON.stringify(parameters)
}

function sharesTable(row: Record<string, unknown>, { scope }: JobIdentity): boolean {
  const others = JSON.parse(String(row.scope)) as JobIdentity['scope']
  return others.some(([other]) => scope.some(([table]) => table === other))
}

/**
 * A job that somebody else began.
 *
 * @returns null where it does not run any more
 * @throws ERR_CONFIG where it was begun with other parameters than this process would begin it with
 */
export async function joinStoredLedger(
  schema: EncryptedSchema,
  identity: JobIdentity,
  leaseSeconds: number,
  id: string,
): Promise<Ledger | null> {
  const sql = ledgerStatements(schema.ownSchema)
  const [found] = await askJobTables(schema.query, sql.find, [schema.keyring.domain, id])
  if (found?.state !== 'running') return null
  if (found.verb === identity.verb && isSame(found, identity)) {
    return storedLedger(schema, sql, jobOf(found), leaseSeconds)
  }
  throw new MortiseError(
    'ERR_CONFIG',
    `job ${id} was begun with other parameters, keys or encrypted columns than this process has: start ${identity.verb} again, with every worker on one version of the application`,
  )
}

/**
 * A new job of the rows that the last one of its verb had to leave, or the one that runs.
 *
 * @throws ERR_CONFIG where there is none, or it had other parameters
 */
export async function reopenStoredLedger(
  schema: EncryptedSchema,
  identity: JobIdentity,
  leaseSeconds: number,
): Promise<Ledger> {
  const { verb, scope, actor } = identity
  const sql = ledgerStatements(schema.ownSchema)
  const { domain } = schema.keyring
  const [ended] = await askJobTables(schema.query, sql.findEnded, [
    domain,
    verb,
    JSON.stringify(scope),
  ])
  if (ended && isSame(ended, identity)) {
    const id = randomBytes(8).toString('hex')
    await schema.transaction(async (query) => {
      if ((await query(sql.reopenJob, [ended.id, id, actor])).length === 0) return
      await query(sql.reopenRows, [ended.id, id])
      await query(sql.reopenShards, [ended.id, id])
      await query(sql.forgetJob, [ended.id])
    })
  }
  const running = await schema.query(sql.findRunning, [domain, verb])
  const own = running.find((row) => isSame(row, identity))
  if (own) return storedLedger(schema, sql, jobOf(own), leaseSeconds)
  throw new MortiseError(
    'ERR_CONFIG',
    `there is no ${verb} that ended and can be taken up again; run it without retry`,
  )
}

/** Where another process was first, nothing is kept: the caller joins that one's job. */
async function begin(
  { transaction, keyring }: EncryptedSchema,
  sql: LedgerStatements,
  { verb, scope, parameters, actor }: JobIdentity,
  { tables, shards }: JobPlan,
): Promise<void> {
  const id = randomBytes(8).toString('hex')
  const [scopeText, parametersText, tablesText] = [scope, parameters, tables].map((part) =>
    JSON.stringify(part),
  )
  await transaction(async (query) => {
    await query(sql.forgetEnded, [keyring.domain, verb, scopeText])
    const row = [id, keyring.domain, verb, scopeText, parametersText, actor, tablesText]
    if ((await query(sql.insertJob, row)).length === 0) return
    await query(sql.insertShards, [
      id,
      shards.map((_, i) => i),
      shards.map(({ table }) => table),
      shards.map(({ after }) => keyText(after)),
      shards.map(({ upTo }) => keyText(upTo)),
    ])
  })
}

function storedLedger(
  { query: run }: EncryptedSchema,
  sql: LedgerStatements,
  job: Job,
  leaseSeconds: number,
): Ledger {
  const { id } = job
  // A job that others ended in the meantime is done.
  const checkPlace = async (query: Query): Promise<void> => {
    const [found] = await query(sql.stateOf, [id])
    if (found?.state === 'cancelled') throw cancelled(job)
    if (found?.state !== 'running' && found?.state !== 'ended') throw superseded(job)
  }
  return {
    job,
    claim: async (owner, shard) => {
      const [row] = await run(sql.claim, [id, owner, shard ?? null, leaseSeconds])
      if (row) return shardOf(row)
      const [open] = await run(sql.openShards, [id, shard ?? null])
      await checkPlace(run)
      return Number(open?.count) === 0 ? null : 'busy'
    },
    ...leasedShards(run, sql, id, leaseSeconds, checkPlace),
    counts: async () => {
      const rows = await run(sql.counts, [id])
      // A job has shards for as long as it is kept.
      if (rows.length === 0) await checkPlace(run)
      return new Map(rows.map(tableCounts))
    },
    failures: async (limit) =>
      (await run(sql.failures, [id, limit])).map((row) => ({
        table: String(row.table_name),
        key: keyOf(row.row_key) as RowKey,
        column: String(row.column_name),
        code: row.code as MortiseErrorCode,
      })),
    open: async () => (await run(sql.open, [id])).map(({ shard }) => Number(shard)),
    end: async () => void (await run(sql.end, [id])),
  }
}

type LeasedShards = Pick<
  Ledger,
  'checkpoint' | 'renew' | 'release' | 'leaveRange' | 'finish' | 'left'
>

/** What the holder of a shard may do; the fence keeps everybody else out. */
function leasedShards(
  run: Query,
  sql: LedgerStatements,
  id: Job['id'],
  leaseSeconds: number,
  checkPlace: (query: Query) => Promise<void>,
): LeasedShards {
  const held = ({ number, fence }: Shard): unknown[] => [id, number, fence]
  return {
    checkpoint: async (query, shard, done) => {
      const failed = done.failed.length - (await settleRows(query, sql, [id, shard.number], done))
      const counts = [leaseSeconds, done.done, failed, keyText(done.cursor)]
      const kept = await query(sql.checkpoint, [...held(shard), ...counts])
      if (kept.length === 0) {
        // On the page's own connection: there may be no other.
        await checkPlace(query)
        throw new LeaseLost(`shard ${shard.number} has been given to another worker`)
      }
      await keepRows(query, sql, [id, shard.number], done)
    },
    renew: async (shard) => void (await run(sql.renew, [...held(shard), leaseSeconds])),
    release: async (shard) => void (await run(sql.release, held(shard))),
    leaveRange: async (shard) => void (await run(sql.leaveRange, held(shard))),
    finish: async (shard) => void (await run(sql.finish, held(shard))),
    left: async ({ number }, after, limit) => {
      const rows = await run(sql.left, [id, number, keyText(after) ?? '', limit])
      return rows.map(({ row_key: key }) => keyOf(key) as RowKey)
    },
  }
}

function tableCounts(
  row: Record<string, unknown>,
): [string, { done: number; failedCount: number; skipped: number }] {
  const { table_name: table, done, failed, skipped } = row
  return [
    String(table),
    { done: Number(done), failedCount: Number(failed), skipped: Number(skipped) },
  ]
}

function shardOf(row: Record<string, unknown>): Shard {
  return {
    number: Number(row.shard),
    table: String(row.table_name),
    after: keyOf(row.lower_key),
    upTo: keyOf(row.upper_key),
    cursor: keyOf(row.cursor_key),
    onlyLeft: row.state === 'left',
    fence: Number(row.fence),
  }
}

function superseded({ id }: Job): MortiseError {
  return new MortiseError(
    'ERR_JOB_SUPERSEDED',
    `job ${id} was ended by a run with other parameters: what it wrote stays; run the verb again to join that one`,
  )
}

function cancelled({ id }: Job): MortiseError {
  return new MortiseError(
    'ERR_JOB_CANCELLED',
    `job ${id} was cancelled: what it wrote stays; run the verb again to begin anew`,
  )
}
