import { MortiseError } from '../errors'
import type { SubjectKeyRecord, Tombstone } from '../key-store/store'
import { type Keyring, keyControl } from '../keys/keyring'
import { subjectId } from '../keys/subject-id'
import type { EncryptedSchema } from '../schema'
import { type HistoryOptions, recorded } from './history-record'
import { certifiedTombstones, issueCertificate, type ShredCertificate } from './shred-certificate'
import { checkNothingInClear, clearIndexes, keyIdsInRows } from './shred-indexes'
import { targetOf } from './target'

/** Whose values to destroy, and what the certificate says about it. */
export interface ShredOptions {
  /** As the subject property holds it: `5`, `5n` and `'5'` are one subject, UUIDs in any case. */
  readonly subject: string | number | bigint
  /** The keyring's; given, it is compared. */
  readonly domain?: string | undefined
  /** Who asked for it. Kept for ever with the tombstone: name no subject here. */
  readonly actor?: string | undefined
  /** Why. Kept for ever with the tombstone. */
  readonly reason?: string | undefined
}

/**
 * Destroys the key of a data subject or tenant, and with it everything that was sealed under it, in
 * backups and replicas of the data as well. Cannot be undone.
 *
 * First the index columns of the subject's values become NULL, which takes one pass over each table
 * that has such columns, and then the key goes: interrupted, it is run again. It is also run again
 * after the epoch poll of all other processes (5 s unless configured) where those may have been
 * writing meanwhile: until then they may seal under the key that they hold. A later write for the
 * subject makes a new key.
 *
 * @param target - an initialised DataSource with `withEncryption`; or a keyring, which destroys the
 *   key and leaves every index column as it is
 * @returns a certificate to keep; it says which keys were destroyed now and which before
 * @throws ERR_CONFIG for another domain than the keyring's, or a target that is neither
 * @throws ERR_VALUE_INVALID for a subject that cannot be one
 * @throws ERR_INDEX_CHANGED during a `reindex` that this process does not take part in, and ERR_CONFIG where
 *   row-level security may hide rows from its role: tokens of the subject would stay
 * @throws ERR_ADOPTION while a column that is being adopted holds values of the subject in clear
 * @throws ERR_KEY_STORE where the key store cannot be read or written (`retryable`: run it again)
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing; the key store keeps
 *   the tombstones
 * @see docs/format.md "Keys"
 */
export async function shred(
  target: object,
  { subject, domain, actor = '', reason = '' }: ShredOptions,
): Promise<ShredCertificate> {
  const { schema, keyring } = targetOf(target)
  checkDomain(keyring, domain)
  const id = subjectId(subject, 'the subject of shred()')
  const found = await keyControl(keyring).subjects.find(id)
  // The key stands for the subject, whom the history never names.
  const parameters = { keyId: found?.id ?? null }
  return recorded(
    keyring,
    { verb: 'shred', actor, reason, parameters },
    () => destroySubject({ keyring, schema, id, found }, { actor, reason }),
    ({ keys, tables, checksum }) => ({
      keyIds: keys.map((key) => key.id),
      counts: {
        destroyed: keys.filter(({ before }) => !before).length,
        clearedRows: clearedRows(tables),
      },
      parameters: { certificate: checksum },
    }),
  )
}

async function destroySubject(
  {
    keyring,
    schema,
    id,
    found,
  }: {
    readonly keyring: Keyring
    readonly schema: EncryptedSchema | undefined
    readonly id: string
    readonly found: SubjectKeyRecord | null
  },
  { actor, reason }: Required<Pick<ShredCertificate, 'actor' | 'reason'>>,
): Promise<ShredCertificate> {
  const { subjects } = keyControl(keyring)
  if (schema) await checkNothingInClear(schema, id)
  const inRows = schema ? await keyIdsInRows(schema, id) : new Set<string>()
  const before = inRows.size === 0 ? [] : await subjects.tombstones(inRows)
  const ids = [...(found ? [found.id] : []), ...before.map((one) => one.id)]
  const tables = schema ? await clearIndexes(schema, ids) : []
  const destroyedAt = new Date()
  const tombstones = found
    ? [{ id: found.id, domain: keyring.domain, destroyedAt, actor, reason }]
    : []
  if (found) await subjects.destroy(tombstones)
  const keys = [...shreddedKeys(tombstones, false), ...shreddedKeys(before, true)]
  const issuedAt = destroyedAt.toISOString()
  return issueCertificate({ domain: keyring.domain, issuedAt, actor, reason, keys, tables })
}

/** What {@link replayTombstones} did. */
export interface ReplayReport {
  /** Keys that are destroyed now, whether or not they had come back. */
  readonly keys: number
  readonly tables: ShredCertificate['tables']
  /**
   * KEKs (16 hex digits) that {@link retire} had destroyed, by the evidence, and that are back. They are
   * left alone, because restored values may need them: retire them again.
   */
  readonly returned: readonly string[]
}

/**
 * Destroys again what a restored backup brought back: subject keys, and with a DataSource the index
 * columns of their values. To be run before the application is let near a restored database or key
 * store; keys that are destroyed already stay so.
 *
 * @param target - as for {@link shred}
 * @param evidence - certificates, or the tombstones of a key store that was not restored
 * @throws ERR_CONFIG for a changed certificate, another domain than the keyring's, or a target that is
 *   neither DataSource nor keyring
 * @throws ERR_KEY_STORE where the key store cannot be written (`retryable`: run it again)
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 */
export async function replayTombstones(
  target: object,
  evidence: readonly (ShredCertificate | Tombstone)[],
  { actor, reason }: HistoryOptions = {},
): Promise<ReplayReport> {
  const { schema, keyring } = targetOf(target)
  const all = evidence.flatMap((one) => ('checksum' in one ? certifiedTombstones(one) : [one]))
  for (const { domain } of all) checkDomain(keyring, domain)
  const keks = new Map((await keyControl(keyring).keys()).map((key) => [key.id, key]))
  const unique = [...new Map(all.map((one) => [one.id, one])).values()]
  const tombstones = unique.filter((one) => !keks.has(one.id))
  const returned = unique.flatMap((one) => {
    const state = keks.get(one.id)?.state ?? 'destroyed'
    return state === 'destroyed' ? [] : [one.id]
  })
  const ids = tombstones.map(({ id }) => id)
  return recorded(
    keyring,
    { verb: 'replayTombstones', actor, reason },
    async () => {
      const tables = schema ? await clearIndexes(schema, ids) : []
      if (tombstones.length > 0) await keyControl(keyring).subjects.destroy(tombstones)
      return { keys: tombstones.length, tables, returned }
    },
    ({ keys, tables }) => ({ keyIds: ids, counts: { keys, clearedRows: clearedRows(tables) } }),
  )
}

function clearedRows(tables: ShredCertificate['tables']): number {
  return tables.reduce((sum, table) => sum + table.clearedRows, 0)
}

function shreddedKeys(tombstones: readonly Tombstone[], before: boolean): ShredCertificate['keys'] {
  return tombstones.map(({ id, destroyedAt }) => {
    return { id, destroyedAt: destroyedAt.toISOString(), before }
  })
}

function checkDomain({ domain }: Keyring, given: string | undefined): void {
  if (given === undefined || given === domain) return
  throw new MortiseError(
    'ERR_CONFIG',
    `the keyring is of domain ${domain}, not ${given}: shred each domain with a keyring of its own`,
  )
}
