import { type Keyring, keyControl } from '../keys/keyring'
import type { RewrapKeys } from './rewrap-keys'
import type { RewrapFailure } from './rewrap-report'
import type { RewrapJob, TableOutcome } from './rewrap-table'

/** Where the keys of subjects stand in reports, whatever the key store. */
export const SUBJECT_KEYS = {
  table: 'mortise_subject_key',
  column: 'wrapped',
  field: 'subject keys',
} as const

/**
 * Moves the keys of subjects to the target KEK: their values stay as they are, because it is the
 * subject key that they were sealed under.
 *
 * @returns null where the domain has no subject keys
 */
export async function rewrapSubjects(
  job: RewrapJob,
  keyring: Keyring,
): Promise<TableOutcome | null> {
  const { subjectWraps } = keyControl(keyring)
  const { batchSize, dryRun, signal, keys } = job
  const { total, current } = await countStale(keyring, keys)
  if (total + current === 0) return null
  const { table } = SUBJECT_KEYS
  const report = { table, rewrapped: 0, current, skipped: 0, failedCount: 0 }
  const failed: RewrapFailure[] = []
  const progress = (done: number): void => job.onProgress({ table, done, total })
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
    report.rewrapped += page.moved
    report.skipped += page.skipped
    report.failedCount += page.failed.length
    const kept = page.failed.slice(0, job.maxReported - failed.length)
    failed.push(...kept.map(({ id, code }) => ({ ...SUBJECT_KEYS, primaryKey: { id }, code })))
    progress(Math.min(report.rewrapped + report.skipped + report.failedCount, total))
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
