import type { EncryptedSchema } from '../schema'
import { schemaOf } from '../schema'
import { checkOptions, type JobOptions } from './job/job-options'
import type { JobReport, JobTableReport } from './job/job-report'
import { type JobDefinition, runJob } from './job/run-job'
import { openRewrapKeys, type RewrapKeys } from './rewrap-keys'
import { rewrapSubjects, withSubjects } from './rewrap-subjects'
import { rewrapTask } from './rewrap-task'

/** What a rewrap did. */
export interface RewrapReport extends JobReport {
  /** The key that the values are under now, 16 hex digits. */
  readonly keyId: string
}

/**
 * Moves every stored value to the active `data` key: each envelope gets that key's id and its DEK
 * wrapped under it, 48 bytes. Of values under the key of a subject, that key is what moves, once for
 * all of them. No value is decrypted, and no ciphertext leaves the database. To or from a key whose
 * provider wraps DEKs itself it costs one call of that provider for each record.
 *
 * Runs in pages of one short transaction each, in constant memory; the place that was reached commits
 * with the page. Killed at any point and started again it goes on there, in this process or another;
 * several processes that run it share the work. The application may go on reading and writing; a
 * concurrent writer wins. Entity listeners, version and update-date columns see nothing; triggers of
 * the database do.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns what was done; values that could not be rewrapped are in `failed` and stay as they are
 * @throws ERR_CONFIG where `dataSource` has no encrypted tables, for options out of range, or where a
 *   table does not exist
 * @throws ERR_KEY_STATE where the active key was disabled meanwhile
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had (`retryable`: run it again)
 * @throws ERR_JOB_SUPERSEDED where a rotation was followed by another rewrap meanwhile
 * @see docs/format.md "Rewrap"
 */
export async function rewrap(dataSource: object, options: JobOptions = {}): Promise<RewrapReport> {
  const schema = schemaOf(dataSource)
  const checked = checkOptions(options)
  checked.signal?.throwIfAborted()
  const keys = await openRewrapKeys(schema.keyring)
  const definition = await rewrapDefinition(schema, keys)
  const subjects = await rewrapSubjects(schema.keyring, keys, checked)
  const job = { ...definition, before: subjects?.report }
  const report = await runJob(schema, job, options)
  return { keyId: keys.targetId, ...withSubjects(report, subjects) }
}

/** The job of {@link rewrap} as it would begin now. */
export async function defineRewrap(schema: EncryptedSchema): Promise<JobDefinition> {
  return rewrapDefinition(schema, await openRewrapKeys(schema.keyring))
}

/** The part of {@link rewrap} that no job does; null where the domain has no subject keys. */
export async function rewrapSubjectKeys(
  { keyring }: EncryptedSchema,
  options: JobOptions,
): Promise<JobTableReport | null> {
  const keys = await openRewrapKeys(keyring)
  return (await rewrapSubjects(keyring, keys, checkOptions(options)))?.report ?? null
}

/** The job over all tables of a schema. */
async function rewrapDefinition(
  { query, tables }: EncryptedSchema,
  keys: RewrapKeys,
): Promise<JobDefinition> {
  const tasks = []
  for (const table of tables) tasks.push(await rewrapTask(query, table, keys))
  const { targetId } = keys
  return { verb: 'rewrap', parameters: { keyId: targetId }, keyIds: [targetId], tasks }
}
