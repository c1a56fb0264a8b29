import { toHex } from '../bytes'
import { sha256 } from '../crypto/hash'
import { MortiseError } from '../errors'
import type { KeyAccess, SealingKey } from '../keys/access'
import { keyAccess } from '../keys/keyring'
import { type EncryptedSchema, type EncryptedTable, schemaOf } from '../schema'
import { checkOptions, type JobOptions } from './job/job-options'
import type { JobReport } from './job/job-report'
import { type JobDefinition, runJob } from './job/run-job'
import { reencryptTask } from './reencrypt-task'
import { openRewrapKeys } from './rewrap-keys'
import { rewrapSubjects, withSubjects } from './rewrap-subjects'
import { tableLabel } from './table-path'

/** How {@link reencrypt} runs, and on which values. */
export interface ReencryptOptions extends JobOptions {
  /**
   * Only values under these keys: 16 hex digits each, of `data` keys, or of subjects where values are
   * sealed under theirs. Left out: all values.
   */
  readonly keyIds?: readonly string[] | undefined
}

/** What a re-encryption did. */
export interface ReencryptReport extends JobReport {
  /** The key that values without a subject are under now, 16 hex digits. */
  readonly keyId: string
  /** `Entity.property` of each field with a subject: its values stay under the keys of their subjects. */
  readonly subjectFields: readonly string[]
}

/**
 * Opens every stored value and seals it again as its field is declared now: under the active `data` key,
 * with a fresh DEK that the fields of a row share. For a key that was compromised, after `rotateKek`; and for
 * a field whose `bindRow`, `subject`, `pad` or `compress` was changed.
 *
 * Alone among all readers it takes envelopes whose row binding or subject differs from the declaration.
 * A value of a subject stays under the key of that subject, which is not made anew: its DEK is fresh, and
 * whoever has that key opens it. The wraps of these keys move to the active key, as in `rewrap`. Values of shredded subjects stay as they are and count as dealt with.
 * Index columns do not depend on DEKs and are not touched.
 *
 * One pass that reads and writes everything that is stored: pages end at 16 MiB of envelopes, so that a
 * worker holds a small multiple of that and of its largest row. It runs as `rewrap` does: in pages of one
 * short transaction each; killed at any point and started again it goes on where it was; a concurrent
 * writer wins. Nothing in an envelope tells that it is fresh: run again after its end, it does everything
 * once more, except with `keyIds`.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns what was done; values that do not open, or cannot be sealed, are in `failed` and stay as they
 *   are (ERR_ROW_UNKNOWN: the row has no subject, or its primary key is another kind of key now)
 * @throws ERR_CONFIG where `dataSource` has no encrypted tables, for options out of range, or where a
 *   table does not exist
 * @throws ERR_KEY_STATE where the active key was disabled meanwhile
 * @throws ERR_KEY_PROVIDER, ERR_KEY_STORE where keys cannot be had (`retryable`: run it again)
 * @throws ERR_JOB_SUPERSEDED where it was begun again after a rotation, with other `keyIds` or declarations
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 * @see docs/how-to/reencrypt.md
 */
export async function reencrypt(
  dataSource: object,
  options: ReencryptOptions = {},
): Promise<ReencryptReport> {
  const schema = schemaOf(dataSource)
  const checked = checkOptions(options)
  checked.signal?.throwIfAborted()
  const job = await defineReencrypt(schema, options)
  const { keyring } = schema
  const subjects = await rewrapSubjects(keyring, await openRewrapKeys(keyring), checked)
  const report = withSubjects(
    await runJob(schema, { ...job, before: subjects?.report }, options),
    subjects,
  )
  const subjectFields = schema.tables.flatMap(({ columns }) =>
    columns.flatMap(({ field, subject }) => (subject === null ? [] : [field])),
  )
  return { keyId: job.parameters.keyId, subjectFields, ...report }
}

/** The job of {@link reencrypt} as it would begin now. */
export async function defineReencrypt(
  { query, keyring, tables }: EncryptedSchema,
  { keyIds, dryRun = false }: ReencryptOptions,
): Promise<JobDefinition & { readonly parameters: { readonly keyId: string } }> {
  const wanted = keyIds === undefined ? null : checkKeyIds(keyIds)
  const access = keyAccess(keyring)
  // Read anew: a rotation that another process just made must be seen.
  await keyring.keys()
  const { id: keyId } = (await access.sealingKeys([null])).get(null) as SealingKey
  const tasks = []
  for (const table of tables) {
    tasks.push(await reencryptTask({ query, access, keyIds: wanted, dryRun }, table))
  }
  const parameters = {
    keyId,
    keyIds: wanted?.join(' ') ?? null,
    declared: declaredAs(tables, access),
  }
  return { verb: 'reencrypt', parameters, keyIds: [keyId], tasks }
}

const DIGEST_DIGITS = 16

/** A digest of what values are sealed as: nobody goes on with a job that seals them as something else. */
function declaredAs(tables: readonly EncryptedTable[], { domain }: KeyAccess): string {
  const columns = tables.flatMap((table) =>
    table.columns.map(({ column, definition, subject }) => {
      const { rowBound, pad, compressed } = definition.context(domain)
      return [tableLabel(table), column, subject?.column ?? null, rowBound, pad, compressed]
    }),
  )
  return toHex(sha256(Buffer.from(JSON.stringify(columns)))).slice(0, DIGEST_DIGITS)
}

function checkKeyIds(keyIds: readonly string[]): readonly string[] {
  const isList = Array.isArray(keyIds) && keyIds.length > 0
  if (isList && keyIds.every((id) => typeof id === 'string' && /^[0-9a-f]{16}$/.test(id))) {
    return [...new Set(keyIds)].sort()
  }
  throw new MortiseError('ERR_CONFIG', 'keyIds takes a list of key ids, 16 hex digits each')
}
