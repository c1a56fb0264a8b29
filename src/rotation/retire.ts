import { setTimeout as sleep } from 'node:timers/promises'
import { MortiseError } from '../errors'
import type { KeyRecord } from '../key-store/store'
import { type Keyring, keyControl } from '../keys/keyring'
import type { EncryptedSchema } from '../schema'
import { type HistoryOptions, recorded } from './history-record'
import { type KeyNeed, keyOf, type MayRetireOptions, mayRetire, schemasOf } from './may-retire'
import { unusedSince } from './unused-since'
import { writingTransactionsEnded } from './writing-transactions'

/** Which key to destroy, and under which conditions. */
export interface RetireOptions extends MayRetireOptions, HistoryOptions {
  /**
   * For how many days backups, replicas' archives and snapshots of the data and of the key store are
   * kept: a key is destroyed that long after it was found unused. There is no default; 0 says that
   * there is nothing to restore from.
   */
  readonly backupRetentionDays: number
  /** Says what would be done, and changes nothing. @defaultValue false */
  readonly dryRun?: boolean | undefined
  /** Ends the run while it waits: the key is as it was before. */
  readonly signal?: AbortSignal | undefined
}

/** What {@link retire} did. */
export interface RetireReport {
  readonly keyId: string
  readonly purpose: KeyRecord['purpose']
  readonly version: number
  /**
   * - `destroyed`: now, or by an earlier run
   * - `waiting`: unused and disabled; to be destroyed by a run at `destroyableAt` or later
   * - `destroyable`: only with `dryRun`
   */
  readonly outcome: 'destroyed' | 'waiting' | 'destroyable'
  /** ISO 8601: when it was first found unused and disabled; null with `dryRun` where it was not yet. */
  readonly unusedSince: string | null
  /** ISO 8601; null where `unusedSince` is. */
  readonly destroyableAt: string | null
  /** ISO 8601; null where it is not destroyed. */
  readonly destroyedAt: string | null
}

const DAY_MS = 86_400_000

/**
 * Destroys a KEK that nothing needs any more, in two visits that are `backupRetentionDays` apart.
 *
 * The first visit counts all values, disables the key, waits until no process can be writing under it
 * (`cache.epochPollMs` of this keyring, which must not be shorter than that of the others, and the end
 * of all transactions that were open), counts again, and records that it was found unused. A visit
 * after the retention of the backups counts once more and destroys it: its wraps are removed, and a
 * tombstone keeps a restored row from bringing it back. Enabling the key in between, or a value that
 * needs it, begins the time anew. The provider's own keys are never touched, and nothing that was
 * sealed under the key can be opened again, by anybody.
 *
 * Costs a {@link census} for each visit, and one more after the wait. Killed at any point, the key may
 * be left disabled: run it again.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns what was done; a key that was destroyed before is reported as such
 * @throws ERR_KEY_IN_USE naming what needs the key, with counts; `retryable` where only a transaction
 *   has been open for long
 * @throws ERR_CONFIG for a missing or negative `backupRetentionDays`, and as {@link mayRetire} does
 * @throws ERR_KEY_NOT_FOUND for an id that the keyring's domain does not have
 * @throws ERR_KEY_STORE where the key store cannot be used (`retryable` where somebody changed the key
 *   meanwhile)
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 * @see docs/how-to/retire-a-key.md
 */
export async function retire(dataSource: object, options: RetireOptions): Promise<RetireReport> {
  const { keyId, backupRetentionDays, dryRun = false, actor, reason } = options
  checkDays(backupRetentionDays)
  const schemas = schemasOf(dataSource, options)
  const { keyring } = schemas[0]
  const key = await keyOf(keyring, keyId)
  if (key.state === 'destroyed') return destroyedBefore(keyring, key)
  if (dryRun) return rehearse(dataSource, key, options)
  return recorded(
    keyring,
    { verb: 'retire', actor, reason, parameters: { keyId, backupRetentionDays } },
    () => retireKey([dataSource, schemas], key, options),
    ({ report, disabledAt }) => ({
      outcome: report.outcome === 'destroyed' ? 'done' : 'waiting',
      keyIds: [keyId],
      parameters: { disabledAt, unusedSince: report.unusedSince },
    }),
  ).then(({ report }) => report)
}

interface Retirement {
  readonly report: RetireReport
  /** ISO 8601: when the state in which it was found unused began, by the clock of the store. */
  readonly disabledAt: string
}

/** What is counted: the DataSource of the call, and the schemas of it and of the others. */
type Counted = readonly [dataSource: object, schemas: readonly EncryptedSchema[]]

async function retireKey(
  counted: Counted,
  before: KeyRecord,
  options: RetireOptions,
): Promise<Retirement> {
  const [dataSource, schemas] = counted
  const { keyring } = schemas[0] as EncryptedSchema
  await refuseNeeded(dataSource, before, options)
  const key = await disabled(keyring, before)
  const disabledAt = key.stateChangedAt.toISOString()
  if (key.state === 'destroyed') return { report: await destroyedBefore(keyring, key), disabledAt }
  const since =
    (await unusedSince(keyring, key)) ?? (await findUnused(counted, before, key, options))
  const names = { ...namesOf(key), ...timesOf(since, options) }
  if (Date.now() < since + options.backupRetentionDays * DAY_MS) {
    return { report: { ...names, outcome: 'waiting', destroyedAt: null }, disabledAt }
  }
  const destroyedAt = await destroy(keyring, key, options)
  return { report: { ...names, outcome: 'destroyed', destroyedAt }, disabledAt }
}

/**
 * Counts again once nobody can be writing under the key any more.
 *
 * @returns when that count began: backups from before may hold values under the key
 */
async function findUnused(
  [dataSource, schemas]: Counted,
  before: KeyRecord,
  key: KeyRecord,
  options: RetireOptions,
): Promise<number> {
  const { keyring } = schemas[0] as EncryptedSchema
  try {
    await lastWriters(schemas, keyring, key, options.signal)
    const now = Date.now()
    await refuseNeeded(dataSource, key, options)
    return now
  } catch (error) {
    // It was usable before: what was found now may be needed at once.
    if (before.state !== 'disabled') await keyControl(keyring).changeState(key, before.state)
    throw error
  }
}

async function rehearse(
  dataSource: object,
  key: KeyRecord,
  options: RetireOptions,
): Promise<RetireReport> {
  await refuseNeeded(dataSource, key, options)
  const { keyring } = schemasOf(dataSource, options)[0]
  const since = await unusedSince(keyring, key)
  const { backupRetentionDays: days } = options
  const over = since === null ? days === 0 : Date.now() >= since + days * DAY_MS
  const times =
    since === null ? { unusedSince: null, destroyableAt: null } : timesOf(since, options)
  const outcome = over ? 'destroyable' : 'waiting'
  return { ...namesOf(key), ...times, outcome, destroyedAt: null }
}

/**
 * Reversible, and obeyed by every process within its epoch poll: nobody opens or rewraps with it.
 *
 * @returns the key as it is then: destroyed where another run was faster
 */
async function disabled(keyring: Keyring, key: KeyRecord): Promise<KeyRecord> {
  if (key.state === 'disabled') return key
  await keyControl(keyring).changeState(key, 'disabled')
  const now = await keyOf(keyring, key.id)
  if (now.state === 'disabled' || now.state === 'destroyed') return now
  throw changedMeanwhile(key)
}

/** A fifth more than the bound, for what was sealed within it and is on its way. */
const MARGIN = 1.2

async function lastWriters(
  schemas: readonly EncryptedSchema[],
  keyring: Keyring,
  key: KeyRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  await sleep(keyControl(keyring).stalenessMs * MARGIN, undefined, { signal })
  for (const { query } of schemas) {
    if (await writingTransactionsEnded(query, signal)) continue
    throw new MortiseError(
      'ERR_KEY_IN_USE',
      `${nameOf(key)}: a transaction that began before has been open for 30 s, and may hold values under the key; end it (see pg_stat_activity, pg_prepared_xacts) and run retire again`,
      { retryable: true },
    )
  }
}

async function refuseNeeded(
  dataSource: object,
  key: KeyRecord,
  options: RetireOptions,
): Promise<void> {
  const { needs } = await mayRetire(dataSource, options)
  if (needs.length > 0) throw inUse(key, needs)
}

/** @returns when, in ISO 8601 */
async function destroy(
  keyring: Keyring,
  key: KeyRecord,
  { actor = '', reason = '' }: HistoryOptions,
): Promise<string> {
  const destroyedAt = new Date()
  const tombstone = { id: key.id, domain: keyring.domain, destroyedAt, actor, reason }
  if (await keyControl(keyring).destroy(key, tombstone)) return destroyedAt.toISOString()
  const now = await keyOf(keyring, key.id)
  if (now.state !== 'destroyed') throw changedMeanwhile(key)
  return (await destroyedBefore(keyring, now)).destroyedAt as string
}

async function destroyedBefore(keyring: Keyring, key: KeyRecord): Promise<RetireReport> {
  const [tombstone] = await keyControl(keyring).subjects.tombstones([key.id])
  const destroyedAt = (tombstone?.destroyedAt ?? key.stateChangedAt).toISOString()
  const times = { unusedSince: null, destroyableAt: null }
  return { ...namesOf(key), outcome: 'destroyed', ...times, destroyedAt }
}

function namesOf({ id: keyId, purpose, version }: KeyRecord) {
  return { keyId, purpose, version }
}

function timesOf(since: number, { backupRetentionDays }: RetireOptions) {
  const iso = (time: number): string => new Date(time).toISOString()
  return { unusedSince: iso(since), destroyableAt: iso(since + backupRetentionDays * DAY_MS) }
}

const MAX_DAYS = 36_500

function checkDays(days: unknown): void {
  if (typeof days === 'number' && days >= 0 && days <= MAX_DAYS) return
  throw new MortiseError(
    'ERR_CONFIG',
    `backupRetentionDays must say for how many days backups are kept, 0 to ${MAX_DAYS}`,
  )
}

function nameOf({ id, purpose, domain, version }: KeyRecord): string {
  return `${purpose} key ${id} (domain ${domain}, version ${version})`
}

function inUse(key: KeyRecord, needs: readonly KeyNeed[]): MortiseError {
  const list = needs.map(({ place, count, what }) => `${place}: ${count} ${what}`).join('; ')
  return new MortiseError('ERR_KEY_IN_USE', `${nameOf(key)} is still needed. ${list}`)
}

function changedMeanwhile(key: KeyRecord): MortiseError {
  return new MortiseError(
    'ERR_KEY_STORE',
    `${nameOf(key)} was changed by somebody else meanwhile, and is not destroyed; try again`,
    { retryable: true },
  )
}
