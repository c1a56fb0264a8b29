import { InvalidArgumentError, Option } from 'commander'
import type { JobFailure, JobOptions, JobReport } from '../rotation'
import { actorOption } from './actor'
import type { CommandCall } from './command'
import { durationText } from './duration'
import { EXIT, type ExitCode } from './exit-codes'
import { wholeNumber } from './options'
import { counted, grouped, textTable } from './text-table'

/** The flags of every command that runs a batch job. */
export interface JobFlags {
  readonly batchSize?: number
  readonly workers?: number
  readonly rowsPerSecond?: number
  readonly maxLag?: number
  readonly dryRun?: boolean
  readonly retry?: boolean
  readonly actor: string
}

/** The options behind {@link JobFlags}. */
export function jobOptions(): Option[] {
  return [
    new Option('--batch-size <rows>', 'rows per transaction, 1 to 10000 (default: 1000)').argParser(
      wholeNumber,
    ),
    new Option(
      '--workers <number>',
      'pages at a time, each with two connections of the pool (default: 1); more processes may join',
    ).argParser(wholeNumber),
    new Option('--rows-per-second <number>', 'upper limit for this process').argParser(wholeNumber),
    new Option('--max-lag <seconds>', 'wait while a replica is further behind').argParser(seconds),
    new Option('--dry-run', 'do everything except writing'),
    new Option('--retry', 'take up only the rows that the last run had to leave'),
    actorOption(),
  ]
}

/** Runs a verb as the flags say, with its progress shown. */
export async function runJob<Report>(
  { target, flags, output, signal }: CommandCall<'data', JobFlags>,
  verb: (dataSource: object, options: JobOptions) => Promise<Report>,
): Promise<Report> {
  const { maxLag: maxLagSeconds, ...given } = flags
  const { batchSize, workers, rowsPerSecond, dryRun, retry, actor } = given
  const progress = output.progress()
  const limits = { batchSize, workers, rowsPerSecond, maxLagSeconds }
  const options = { ...limits, dryRun, retry, actor, signal, onProgress: progress.update }
  try {
    return await verb(target.dataSource, options)
  } finally {
    progress.end()
  }
}

/** Whether a job left something. */
export function jobExit({ skipped, failedCount }: JobReport): ExitCode {
  return skipped + failedCount === 0 ? EXIT.done : EXIT.remains
}

const SHOWN_FAILURES = 20

/**
 * A report in words.
 *
 * @param done - what became of the values, for example `moved`
 * @param more - what else is to be said about it
 */
export function jobText(report: JobReport, done: string, more = ''): string[] {
  const { skipped, failedCount, failed, tables, seconds, jobId } = report
  const job = jobId === null ? '' : `, job ${jobId}`
  return [
    `${counted(report.done, 'value')} ${done}${more} in ${durationText(seconds)}${job}`,
    ...textTable(
      ['table', done, 'current', 'skipped', 'failed'],
      tables.map((one) => [one.table, one.done, one.current, one.skipped, one.failedCount]),
    ),
    ...(skipped > 0
      ? ['Skipped values were being written by others: run it again with --retry.']
      : []),
    ...failed.slice(0, SHOWN_FAILURES).map(failureText),
    ...(failedCount > SHOWN_FAILURES ? [`… ${grouped(failedCount)} failed in all`] : []),
  ]
}

function failureText({ table, column, primaryKey, code }: JobFailure): string {
  const key = Object.entries(primaryKey).map(([name, value]) => `${name}=${value}`)
  return `failed: ${table}.${column} where ${key.join(' and ')}: ${code}`
}

function seconds(text: string): number {
  if (/^[0-9]{1,6}(\.[0-9]{1,3})?$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a number of seconds above 0.')
}
