import { type Keyring, keyControl } from '../keys/keyring'
import type { CheckedOptions } from './job/job-options'
import {
  type JobFailure,
  type JobReport,
  type JobTableReport,
  MAX_REPORTED,
  sumCounts,
} from './job/job-report'
import type { RewrapKeys } from './rewrap-keys'

/** Where the keys of subjects stand in reports, whatever the key store. */
export const SUBJECT_KEYS = {
  table: 'mortise_subject_key',
  column: 'wrapped',
  field: 'subject keys',
} as const

/** What happened to the keys of subjects. */
interface SubjectsOutcome {
  readonly report: JobTableReport
  readonly failed: readonly JobFailure[]
}

/** The report of a job with that of the subject keys before it. */
export function withSubjects(report: JobReport, subjects: SubjectsOutcome | null): JobReport {
  if (subjects === null) return report
  const tables = [subjects.report, ...report.tables]
  const failed = [...subjects.failed, ...report.failed].slice(0, MAX_REPORTED)
  return { ...report, ...sumCounts(tables), failed, tables }
}

/**
 * Moves the keys of subjects to the target KEK: their values stay as they are, because it is the
 * subject key that they were sealed under.
 *
 * @returns null where the domain has no subject keys
 */
export async function rewrapSubjects(
  keyring: Keyring,
  keys: RewrapKeys,
  { batchSize, dryRun, signal, onProgress }: CheckedOptions,
): Promise<SubjectsOutcome | null> {
  const { subjectWraps } = keyControl(keyring)
  const { total, current } = await countStale(keyring, keys)
  if (total + current === 0) return null
  const { table } = SUBJECT_KEYS
  const report = { table, done: 0, current, skipped: 0, failedCount: 0 }
  const failed: JobFailure[] = []
  const progress = (done: number): void => onProgress({ table, done, total })
  progress(0)
  const targetId = keys.byProvider ? null : keys.targetId
  const { staleAmong } = keys
  for (let after: string | null = null, more = total > 0; more; ) {
    signal?.throwIfAborted()
    const page = await subjectWraps.movePage({
      targetId,
      staleAmong,
      after,
      limit: batchSize,
      dryRun,
    })
    report.done += page.moved
    report.skipped += page.skipped
    report.failedCount += page.failed.length
    const kept = page.failed.slice(0, MAX_REPORTED - failed.length)
    failed.push(...kept.map(({ id, code }) => ({ ...SUBJECT_KEYS, primaryKey: { id }, code })))
    progress(Math.min(report.done + report.skipped + report.failedCount, total))
    after = page.last
    more = after !== null
  }
  progress(total)
  return { report, failed }
}

async function countStale(
  keyring: Keyring,
  keys: RewrapKeys,
): Promise<{ total: number; current: number }> {
  let total = 0
  let current = 0
  for (const { kekId, count } of await keyControl(keyring).subjectWraps.count()) {
    if (keys.isCurrent(kekId)) current += count
    else total += count
  }
  return { total, current }
}
