import { MortiseError } from '../errors'
import type { IndexControl } from '../keys/index-control'
import { keyControl } from '../keys/keyring'
import { schemaOf } from '../schema'
import { checkOptions, type JobOptions } from './job/job-options'
import {
  type ChangingField,
  changingFields,
  compareStates,
  type FieldState,
} from './reindexing/changing-fields'
import {
  recordStep,
  type StepContext,
  type StepReport,
  settle,
  takeStep,
  tryBackfill,
} from './reindexing/steps'

/** How far an index is changed. */
export interface ReindexOptions extends JobOptions {
  /**
   * `Entity.property` of the fields to change.
   *
   * @defaultValue all that declare `next`
   */
  readonly fields?: readonly string[] | undefined
  /**
   * Goes on after the new index is asked, to where the former one is gone. From there is no way back, and
   * processes that do not declare `next` can use the field's index no more.
   *
   * @defaultValue false
   */
  readonly contract?: boolean | undefined
  /**
   * Goes back to the former index, from wherever that is still whole: before `contract`.
   *
   * @defaultValue false
   */
  readonly abandon?: boolean | undefined
}

/** How far a field is. */
export interface ReindexedField {
  /** `Entity.property`. */
  readonly field: string
  /** The state of the generation to come, `unchanged` before it and `done` after it. */
  readonly state: FieldState
  /** The newest generation; the first byte of its tokens. */
  readonly generation: number
  /** The index KEK of the newest generation, 16 hex digits; null without an exact index. */
  readonly keyId: string | null
}

/** What {@link reindex} did. */
export interface ReindexReport {
  readonly fields: readonly ReindexedField[]
  /** The jobs over the rows that this run did, in their order. */
  readonly jobs: readonly StepReport[]
  /** False where rows are left or failed: the last of `jobs` names them. */
  readonly complete: boolean
  /** What is to be done next. */
  readonly next: string
}

/**
 * Changes the indexes of the fields that declare `next`, while the application reads, writes and asks.
 *
 * Every token and bucket of the new index is computed from the opened value and compared once more before
 * it is asked. One run goes as far as it may: to where the new index is asked, and with `contract` to where
 * the former one is gone. Between steps it waits twice the `cache.epochPollMs` of this keyring, which
 * must not be less than that of any other process, and until transactions that began before have ended.
 * Jobs run in pages and in constant memory; killed at any point and started again it goes on there.
 *
 * Every instance of the application that writes these fields must declare `next` when it begins: others
 * are refused to write them from then on, and go on reading until `contract`.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised, whose entities declare `next`
 * @returns how far each field is. Values that do not open, do not fit the new index or are not unique in it
 *   are in `failed` of the last job, and keep the new index from being asked
 * @throws ERR_CONFIG where no field declares `next`, for missing columns or unique indexes, for options out of
 *   range, for `abandon` after `contract`, and (`retryable`) where a transaction does not end or another
 *   process goes on with what is abandoned
 * @throws ERR_INDEX_CHANGED where the declaration is neither what rows are indexed with nor what they are to be
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had (`retryable`: run it again)
 * @throws ERR_HISTORY (`retryable`) where a step is done, and its record is missing
 * @see docs/how-to/change-an-index.md
 */
export async function reindex(
  dataSource: object,
  options: ReindexOptions = {},
): Promise<ReindexReport> {
  const { fields: names, contract = false, abandon = false, ...jobOptions } = options
  const schema = schemaOf(dataSource)
  const checked = checkOptions(jobOptions)
  const { indexes } = keyControl(schema.keyring)
  const load = () => changingFields(schema, indexes, names)
  if (checked.dryRun) return dryRun({ schema, options: checked }, await load(), contract)
  if (abandon) return abandonAll({ schema, options: checked }, indexes, load)
  const jobs: StepReport[] = []
  for (let { retry } = checked; ; retry = jobs.length === 0 && retry) {
    checked.signal?.throwIfAborted()
    const fields = await load()
    const due = dueFields(fields, contract)
    if (due.length === 0) return reportOf(fields, jobs, true)
    const report = await takeStep({ schema, options: { ...checked, retry } }, due)
    if (report) jobs.push(report)
    if (report && report.failedCount + report.skipped > 0) return reportOf(fields, jobs, false)
  }
}

/** Those that are furthest behind, so that all meet. */
function dueFields(fields: readonly ChangingField[], contract: boolean): ChangingField[] {
  const open = fields.filter(
    ({ state }) => state !== 'done' && (contract || compareStates(state, 'asked') < 0),
  )
  const [first] = open.toSorted((a, b) => compareStates(a.state, b.state))
  return open.filter(({ state }) => state === first?.state)
}

async function dryRun(
  context: StepContext,
  fields: readonly ChangingField[],
  contract: boolean,
): Promise<ReindexReport> {
  const unfilled = dueFields(fields, contract).filter(
    ({ state }) => compareStates(state, 'asked') < 0,
  )
  const job = unfilled.length === 0 ? null : await tryBackfill(context, unfilled)
  const jobs = job ? [job] : []
  return reportOf(
    fields,
    jobs,
    jobs.every(({ failedCount }) => failedCount === 0),
  )
}

/** All who write still write the former index: those who ask the new one are told first. */
async function abandonAll(
  context: StepContext,
  indexes: IndexControl,
  load: () => Promise<ChangingField[]>,
): Promise<ReindexReport> {
  const begun = (await load()).filter(({ next }) => next !== null)
  const tooFar = begun.find(({ state }) => compareStates(state, 'left') > 0)
  if (tooFar) throw cannotGoBack(tooFar)
  const asked = begun.filter(({ state }) => compareStates(state, 'asked') >= 0)
  const each = async (
    fields: readonly ChangingField[],
    work: (next: NonNullable<ChangingField['next']>) => Promise<void>,
  ) => {
    for (const { next } of fields) if (next) await work(next)
  }
  if (asked.length > 0) {
    await recordStep(context, asked, 'filled', () =>
      each(asked, (next) => indexes.advance(next, 'filled')),
    )
    await settle(context.schema, indexes, context.options.signal)
  }
  const left = (await load()).filter(({ next }) => next !== null)
  const moved = left.find(({ state }) => compareStates(state, 'filled') > 0)
  if (moved) throw movedMeanwhile(moved)
  if (left.length > 0) {
    await recordStep(context, left, 'unchanged', () => each(left, indexes.remove))
  }
  return reportOf(await load(), [], true)
}

function reportOf(
  fields: readonly ChangingField[],
  jobs: readonly StepReport[],
  complete: boolean,
): ReindexReport {
  return {
    fields: fields.map(({ column, state, active, next }) => {
      const { generation, indexKeyId } = next ?? active
      return { field: column.field, state, generation, keyId: indexKeyId }
    }),
    jobs,
    complete,
    next: complete ? nextStep(fields) : NEXT_FAILED,
  }
}

const NEXT_FAILED =
  'repair or remove the rows that failed or are left, and run it again with retry, or without for all rows'

function nextStep(fields: readonly ChangingField[]): string {
  if (fields.every(({ state }) => state === 'done')) {
    return (
      'deploy the declaration with the new exact and range and without next; when every instance runs it, ' +
      'run the migration that removes the columns beside'
    )
  }
  return fields.some(({ state }) => state === 'asked')
    ? 'when every instance that asks these fields declares next, run it with contract'
    : 'when every instance that writes these fields declares next, run it'
}

function cannotGoBack({ column: { field } }: ChangingField): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `${field}: its former index is no longer whole, so that this reindex cannot be abandoned: finish it ` +
      'with contract, and change the index back with another one',
    { field },
  )
}

/** What others ask, or have begun to give up the former index for, is not taken away from them. */
function movedMeanwhile({ column: { field } }: ChangingField): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `${field}: another process went on with its reindex while it was to be abandoned: stop that one, and run it again`,
    { field, retryable: true },
  )
}
