import { findAdoptions, recordState } from '../adoption/adoption-record'
import { type AdoptionState, type RecordedState, readsPlain } from '../adoption/adoption-state'
import { MortiseError } from '../errors'
import { keyAccess } from '../keys/keyring'
import { type EncryptedSchema, schemaOf } from '../schema'
import { type AdoptingColumn, type AdoptingTable, adoptingTables } from './adopting/adopting-table'
import { backfillTask } from './adopting/backfill-task'
import { emptyTask } from './adopting/empty-task'
import { refuseUnsealed } from './adopting/unsealed-values'
import { verifyTask } from './adopting/verify-task'
import { refuseHiddenRows } from './hidden-rows'
import { checkOptions, type JobOptions } from './job/job-options'
import type { JobReport } from './job/job-report'
import { type JobDefinition, runJob } from './job/run-job'
import type { TableTask } from './job/table-task'

/** What {@link adopt} is to reach. */
export interface AdoptOptions extends JobOptions {
  /**
   * The state that adopted columns reach: `backfilled` seals every value, `verified` compares every
   * envelope with its value, `sealed` empties the former columns; `dual` goes back to where
   * applications from before may write.
   */
  readonly to: AdoptionState
}

/** What an adoption did. */
export interface AdoptReport extends JobReport {
  /** Values whose envelope or index was not that of the value, and was replaced; of this run. */
  readonly corrected: number
  /** `Entity.property` of every adopted column, and the state that is recorded now. */
  readonly states: Readonly<Record<string, RecordedState>>
}

/** From where a state is reached, what is recorded meanwhile, and where it stays if values are left. */
interface Step {
  readonly from: readonly RecordedState[]
  readonly meanwhile: RecordedState | null
  readonly onFailure: RecordedState | null
  /** Whether the running application must read the former column, or must not. */
  readonly reads: 'plain' | 'envelope' | 'any'
}

const STEPS: Readonly<Record<AdoptionState, Step>> = {
  dual: {
    from: ['backfilled', 'verifying', 'verified'],
    meanwhile: null,
    onFailure: null,
    reads: 'plain',
  },
  backfilled: { from: ['dual', 'backfilled'], meanwhile: null, onFailure: null, reads: 'any' },
  verified: {
    from: ['backfilled', 'verifying'],
    meanwhile: 'verifying',
    onFailure: 'backfilled',
    reads: 'any',
  },
  sealed: { from: ['verified', 'sealed'], meanwhile: 'sealed', onFailure: null, reads: 'envelope' },
}

/**
 * Takes every column that the application adopts, and that is far enough, to the next state.
 *
 * Runs as the other jobs do: in pages, in constant memory, killed at any point and started again; a
 * concurrent writer wins. Values that cannot be read, do not fit the declared type or are not unique
 * are in `failed`, stay as they are, and keep the state from being reached. Entity listeners, version and
 * update-date columns see nothing; triggers of the database do.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns what was done, over all runs and processes that took part
 * @throws ERR_ADOPTION where nothing can go to that state, naming what is recorded
 * @throws ERR_CONFIG for options out of range, and for missing tables
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had (`retryable`: run it again)
 * @throws ERR_JOB_SUPERSEDED where a run to another state took this one's place
 * @see docs/how-to/encrypt-existing-data.md
 */
export async function adopt(dataSource: object, options: AdoptOptions): Promise<AdoptReport> {
  const { to, ...given } = options
  const schema = schemaOf(dataSource)
  const step = STEPS[to]
  if (!step)
    throw new MortiseError('ERR_CONFIG', `to must be one of ${Object.keys(STEPS).join(', ')}`)
  // Since a comparison that failed, writers from before may have changed any row.
  const jobOptions = step.onFailure === null ? given : { ...given, retry: false }
  const { dryRun } = checkOptions(jobOptions)
  const recorded = await recordedStates(schema)
  const tables = adoptingTables(schema.tables, (column) =>
    step.from.includes(recorded.get(column.field) as RecordedState),
  )
  const columns = tables.flatMap((table) => table.columns)
  if (columns.length === 0) throw nothingToDo(to, step, recorded)
  checkDeclared(columns, step, to)
  await refuseHiddenRows(schema.query, tables)
  const move = async (from: readonly RecordedState[], next: RecordedState | null) => {
    if (next !== null && !dryRun) await moveAll(schema, columns, from, next)
  }
  if (to === 'sealed') await refuseUnsealed(schema.query, verifiedOnly(tables, recorded))
  await move(step.from, step.meanwhile)
  let corrected = 0
  const onCorrected = (values: number) => {
    corrected += values
  }
  const tasks = await tasksTo(to, schema, tables, onCorrected)
  const keyIds = await activeKeyIds(schema)
  const fields = columns.map(({ field }) => field).join(', ')
  const definition: JobDefinition = { verb: 'adopt', parameters: { to, fields }, keyIds, tasks }
  const report = await runJob(schema, definition, jobOptions)
  const isDone = report.failedCount === 0 && report.skipped === 0
  // Another run that failed may have let writers from before in again, behind the place of this one.
  if (isDone && to === 'verified' && !dryRun) await refuseUnsealed(schema.query, tables)
  await move(step.meanwhile ? [step.meanwhile] : step.from, isDone ? to : step.onFailure)
  const states = Object.fromEntries(await recordedStates(schema))
  return { ...report, corrected, states }
}

/** From the next state on an envelope that is NULL is one that the application has set to null. */
function verifiedOnly(
  tables: readonly AdoptingTable[],
  recorded: ReadonlyMap<string, RecordedState>,
): AdoptingTable[] {
  return adoptingTables(tables, ({ field }) => recorded.get(field) === 'verified')
}

async function tasksTo(
  to: AdoptionState,
  { query, keyring }: EncryptedSchema,
  tables: readonly AdoptingTable[],
  onCorrected: (values: number) => void,
): Promise<TableTask[]> {
  const access = keyAccess(keyring)
  const tasks: TableTask[] = []
  for (const table of tables) {
    if (to === 'dual') continue
    await access.declareIndexes(table.columns.map(({ definition }) => definition.declaration))
    if (to === 'backfilled') tasks.push(await backfillTask(query, table, access))
    if (to === 'verified') tasks.push(await verifyTask({ query, access, onCorrected }, table))
    if (to === 'sealed') tasks.push(await emptyTask(query, table))
  }
  return tasks
}

/** Under which values are sealed now. */
async function activeKeyIds({ keyring }: EncryptedSchema): Promise<string[]> {
  const keys = await keyring.keys()
  const active = keys.filter(({ purpose, state }) => purpose === 'data' && state === 'active')
  return active.map(({ id }) => id)
}

/** By `Entity.property`, of all columns whose migration has run. */
async function recordedStates({
  query,
  tables,
  ownSchema,
}: EncryptedSchema): Promise<Map<string, RecordedState>> {
  const columns = adoptingTables(tables, () => true).flatMap((table) => table.columns)
  const places = columns.map(({ adopted }) => adopted.place)
  const found = await findAdoptions(places, ownSchema, query)
  return new Map(
    columns.flatMap(({ field }, i): [string, RecordedState][] => {
      const { state = null, guarded = false } = found[i] ?? {}
      return state !== null && guarded ? [[field, state]] : []
    }),
  )
}

async function moveAll(
  { query, ownSchema }: EncryptedSchema,
  columns: readonly AdoptingColumn[],
  from: readonly RecordedState[],
  to: RecordedState,
): Promise<void> {
  for (const { field, adopted } of columns) {
    const step = { from: [...from, to], to }
    if (await recordState(adopted.place, ownSchema, step, query)) continue
    throw new MortiseError(
      'ERR_ADOPTION',
      `the recorded state of ${field} was changed by somebody else while it was to become '${to}'`,
      { field },
    )
  }
}

function checkDeclared(
  columns: readonly AdoptingColumn[],
  { reads }: Step,
  to: AdoptionState,
): void {
  if (reads === 'any') return
  const other = columns.find(({ adopted }) => readsPlain(adopted.state) !== (reads === 'plain'))
  if (!other) return
  const needed = reads === 'plain' ? "'dual' or 'backfilled'" : "'verified' or 'sealed'"
  throw new MortiseError(
    'ERR_ADOPTION',
    `${other.field} declares adopt.state '${other.adopted.state}': deploy an application that declares ` +
      `${needed} before it goes to '${to}'`,
    { field: other.field },
  )
}

function nothingToDo(
  to: AdoptionState,
  { from }: Step,
  recorded: ReadonlyMap<string, RecordedState>,
): MortiseError {
  const states = [...recorded].map(([field, state]) => `${field} is '${state}'`).join(', ')
  return new MortiseError(
    'ERR_ADOPTION',
    states === ''
      ? 'no adopted column is recorded in the database: declare adopt, and run the migration that ' +
          'migration:generate writes for it'
      : `nothing can go to '${to}', which is reached from ${from.join(' or ')}: ${states}`,
  )
}
