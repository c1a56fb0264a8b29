import { setTimeout as sleep } from 'node:timers/promises'
import type { IndexControl } from '../../keys/index-control'
import { keyAccess, keyControl } from '../../keys/keyring'
import type { EncryptedSchema } from '../../schema'
import { recorded } from '../history-record'
import type { CheckedOptions } from '../job/job-options'
import type { JobReport } from '../job/job-report'
import { type JobDefinition, runJob } from '../job/run-job'
import type { TableTask } from '../job/table-task'
import { runningTransactionsEnded } from '../running-transactions'
import { backfillTask } from './backfill-task'
import type { ChangingField, FieldState } from './changing-fields'
import { type ChangingColumn, changingTables, pairedColumns } from './changing-table'
import { checkChangeColumns } from './check-columns'
import { holdsBeside, moveTask } from './move-task'

/** What a job of a change does with the rows. */
export type ReindexJob = 'backfill' | 'check' | 'copy' | 'empty'

/** How a state is left. */
interface Step {
  /** Whether everybody must first know the state, and have finished what began before it. */
  readonly settles: boolean
  readonly job: ReindexJob | null
  readonly to: FieldState
}

/** The order is the protocol: writers are always one step ahead of those who read what they write. */
const STEPS: Readonly<Record<Exclude<FieldState, 'done'>, Step>> = {
  unchanged: { settles: false, job: null, to: 'required' },
  // What an attempt that was abandoned left beside would be taken for values of other rows.
  required: { settles: true, job: 'empty', to: 'written' },
  written: { settles: true, job: 'backfill', to: 'filled' },
  filled: { settles: false, job: 'check', to: 'asked' },
  asked: { settles: true, job: null, to: 'left' },
  left: { settles: true, job: null, to: 'copied' },
  copied: { settles: true, job: 'copy', to: 'settled' },
  settled: { settles: true, job: null, to: 'released' },
  released: { settles: true, job: null, to: 'emptied' },
  emptied: { settles: true, job: 'empty', to: 'done' },
}

/** What steps are done with. */
export interface StepContext {
  readonly schema: EncryptedSchema
  readonly options: CheckedOptions
}

/** A job of a step, and what it did. */
export interface StepReport extends JobReport {
  readonly step: ReindexJob
  /** Tokens and buckets that this process wrote because they were missing or wrong. */
  readonly written: number
}

/**
 * Takes fields that are in one state to the next one; they stay where rows are left or failed.
 *
 * @param fields - all in the same state, not `done`
 * @returns the report of the job, or null where the step has none, or was taken by another process
 */
export async function takeStep(
  context: StepContext,
  fields: readonly ChangingField[],
): Promise<StepReport | null> {
  const { schema, options } = context
  const { settles, job, to } = STEPS[(fields[0] as ChangingField).state as keyof typeof STEPS]
  const columns = fields.map(({ column }) => column)
  const { indexes } = keyControl(schema.keyring)
  if (to === 'required') await checkChangeColumns(schema.query, tablesOf(schema, columns))
  if (settles) await settle(schema, indexes, options.signal)
  if (await wasMoved(indexes, fields)) return null
  const report = job && (await runStepJob(context, job, fields))
  if (report && report.failedCount + report.skipped > 0) return report
  await recordStep(context, fields, to, () => moveAll(indexes, fields, to))
  return report
}

/** Another process may have taken the step meanwhile: its next job must not be ended by this one's. */
async function wasMoved(indexes: IndexControl, fields: readonly ChangingField[]): Promise<boolean> {
  const now = await indexes.generations()
  return fields.some(({ column, next }) => {
    return now.get(column.definition.fieldId)?.next?.state !== next?.state
  })
}

/**
 * Waits until every process knows what the key store says now, and everything that was begun before that has
 * ended. Twice the bound, because a statement is sent a moment after it was made.
 */
export async function settle(
  { query }: EncryptedSchema,
  { stalenessMs }: IndexControl,
  signal: AbortSignal | undefined,
): Promise<void> {
  await sleep(2 * stalenessMs, undefined, { signal })
  await runningTransactionsEnded(query, signal)
}

async function moveAll(
  indexes: IndexControl,
  fields: readonly ChangingField[],
  to: FieldState,
): Promise<void> {
  for (const { column, active, next } of fields) {
    const wanted = column.definition.declaration.next
    if (next === null) {
      if (wanted !== null) await indexes.begin(active, wanted)
    } else if (to === 'done') {
      await indexes.remove(active)
      await indexes.advance(next, 'active')
    } else if (to !== 'unchanged') {
      await indexes.advance(next, to)
    }
  }
}

/** Records a step of a change in the history. */
export async function recordStep(
  { schema, options }: StepContext,
  fields: readonly ChangingField[],
  to: FieldState,
  work: () => Promise<void>,
): Promise<void> {
  const names = fields.map(({ column }) => column.field).join(' ')
  const operation = { verb: 'reindex', parameters: { fields: names, to } } as const
  const { actor } = options
  await recorded(schema.keyring, { ...operation, actor }, work, () => ({}))
}

async function runStepJob(
  context: StepContext,
  step: ReindexJob,
  fields: readonly ChangingField[],
): Promise<StepReport | null> {
  const { schema, options } = context
  let written = 0
  const tasks = await tasksOf(context, step, fields, (values) => {
    written += values
  })
  if (tasks.length === 0) return null
  const generations = fields.map(({ column, next }) => `${column.field} ${next?.generation ?? ''}`)
  const keyIds = fields.flatMap(({ next }) => next?.indexKeyId ?? [])
  const parameters = { step, fields: generations.join(', ') }
  const definition: JobDefinition = {
    verb: 'reindex',
    parameters,
    keyIds: [...new Set(keyIds)],
    tasks,
  }
  return { step, written, ...(await runJob(schema, definition, options)) }
}

async function tasksOf(
  { schema, options }: StepContext,
  step: ReindexJob,
  fields: readonly ChangingField[],
  onWritten: (values: number) => void,
): Promise<TableTask[]> {
  const { query, keyring } = schema
  const access = keyAccess(keyring)
  const columns = fields.map(({ column }) => column)
  const concerned = columns.filter((column) => {
    if (step === 'copy') return pairedColumns(column).length > 0
    return step === 'empty' ? column.change.isUnique : true
  })
  const tasks: TableTask[] = []
  for (const table of tablesOf(schema, concerned)) {
    if (step === 'empty' && !(await holdsBeside(query, table))) continue
    if (step === 'copy' || step === 'empty') tasks.push(await moveTask(query, table, step))
    else {
      await access.declareIndexes(table.columns.map(({ definition }) => definition.declaration))
      const { dryRun } = options
      tasks.push(await backfillTask({ query, access, dryRun, onWritten }, table))
    }
  }
  return tasks
}

/** What a backfill would meet, without writing anything. */
export async function tryBackfill(
  context: StepContext,
  fields: readonly ChangingField[],
): Promise<StepReport | null> {
  return runStepJob(context, 'backfill', fields)
}

function tablesOf({ tables }: EncryptedSchema, columns: readonly ChangingColumn[]) {
  return changingTables(tables, (column) => columns.includes(column))
}
