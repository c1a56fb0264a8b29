import { keyAccess } from '../keys/keyring'
import { type EncryptedSchema, schemaOf } from '../schema'
import { checkOptions, type JobOptions } from './job/job-options'
import type { JobReport } from './job/job-report'
import { type JobDefinition, runJob } from './job/run-job'
import { verifyTask } from './verify-task'

/** How {@link verify} runs, and how far it looks. */
export interface VerifyOptions extends JobOptions {
  /**
   * Opens every value, makes its tokens and buckets anew and compares them. Left out, DEKs are unwrapped
   * and commitments verified, and index columns are only looked at for NULL.
   *
   * @defaultValue false
   */
  readonly open?: boolean | undefined
}

/**
 * Shows that every stored value can be read: unwraps the DEK of each and verifies its commitment, its flags
 * and its subject; with `open`, decrypts it too and compares its index columns with the value. Writes
 * nothing but the tables of the job.
 *
 * A value whose index columns do not agree with it is ERR_INDEX_MISMATCH: also where they are NULL beside
 * a value, or hold something beside NULL or a value of a shredded subject. Values of shredded subjects are
 * right otherwise, and count as done.
 *
 * Without `open` it reads some 100 bytes of each value; with it everything, in pages of at most 16 MiB. The
 * provider is asked once for each KEK, and once for each record where it wraps DEKs itself. Killed and
 * started again it goes on where it was; several processes share the work.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns what was verified; everything that is wrong is in `failed`, by row and column
 * @throws ERR_CONFIG where `dataSource` has no encrypted tables, for options out of range, or where a
 *   table does not exist
 * @throws ERR_INDEX_CHANGED where a declaration is not what rows are indexed with
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had (`retryable`: run it again)
 * @throws ERR_JOB_SUPERSEDED where it was begun again with another `open`
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 * @see docs/how-to/verify-everything.md
 */
export async function verify(dataSource: object, options: VerifyOptions = {}): Promise<JobReport> {
  const schema = schemaOf(dataSource)
  checkOptions(options).signal?.throwIfAborted()
  return runJob(schema, await defineVerify(schema, options), options)
}

/** The job of {@link verify} as it would begin now. */
export async function defineVerify(
  { query, keyring, tables }: EncryptedSchema,
  { open = false }: VerifyOptions,
): Promise<JobDefinition> {
  const access = keyAccess(keyring)
  const columns = tables.flatMap((table) => table.columns)
  await access.declareIndexes(columns.map(({ definition }) => definition.declaration))
  const tasks = []
  for (const table of tables) tasks.push(await verifyTask({ query, access, open }, table))
  return { verb: 'verify', parameters: { open }, keyIds: [], tasks }
}
