import { toHex } from '../bytes'
import { randomBytes } from '../crypto/random'
import { isMortiseError, MortiseError } from '../errors'
import type { HistoryLink } from '../key-store/history'
import { type Keyring, keyControl } from '../keys/keyring'

/** Who asks for an operation and why: kept in the history for good, so name no data subject. */
export interface HistoryOptions {
  /** Who asks. @defaultValue empty */
  readonly actor?: string | undefined
  /** Why. @defaultValue empty */
  readonly reason?: string | undefined
}

/** Everything that leaves a record. */
export type HistoryVerb =
  | 'rotateKek'
  | 'rotateRoot'
  | 'addProvider'
  | 'dropProvider'
  | 'disableKey'
  | 'enableKey'
  | 'retire'
  | 'shred'
  | 'replayTombstones'
  | 'rewrap'
  | 'reencrypt'
  | 'reindex'
  | 'adopt'
  | 'verify'

/**
 * How an operation ended: `done`; `incomplete` where rows were left; `waiting` where it is to be run
 * again later; `stopped` by whoever ran it; `failed` with an error.
 */
export type HistoryOutcome = 'done' | 'incomplete' | 'waiting' | 'stopped' | 'failed'

/** What the history says about one operation: once when it begins, and once when it has ended. */
export interface HistoryRecord {
  /** The id of the job, or 16 random hex digits: what both records of an operation have in common. */
  readonly operation: string
  readonly phase: 'begun' | 'ended'
  readonly verb: HistoryVerb
  /** ISO 8601, UTC. */
  readonly beganAt: string
  /** ISO 8601, UTC; null in the record of the beginning. */
  readonly endedAt: string | null
  /** Empty where the caller did not say. */
  readonly actor: string
  /** Empty where the caller did not say. */
  readonly reason: string
  /** null in the record of the beginning. */
  readonly outcome: HistoryOutcome | null
  /** The keys that were made, changed, used or destroyed; 16 hex digits each. */
  readonly keyIds: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  /** The options that matter, and the code of the error where it failed. */
  readonly parameters: Readonly<Record<string, string | number | boolean | null>>
}

/** A record in its place in the chain. */
export interface HistoryEntry extends HistoryRecord {
  /** Counts from 1 in each domain. */
  readonly sequence: number
  /** SHA-256 in hex over the record, its place, and the checksum of the record before it. */
  readonly checksum: string
}

/**
 * Adds a record to the history of the keyring's domain. One short transaction of the key store; the
 * same phase of the same operation is recorded once, however often it is tried.
 *
 * @returns the record as it stands in the history: the first one of its operation and phase
 * @throws ERR_KEY_STORE where the history cannot be written
 */
export async function recordHistory(
  keyring: Keyring,
  record: HistoryRecord,
): Promise<HistoryEntry> {
  const id = `${record.operation} ${record.phase}`
  return entryOf(await keyControl(keyring).history.append({ id, record: canonicalText(record) }))
}

/** Which operation {@link recorded} brackets. */
export interface Operation extends HistoryOptions {
  readonly verb: HistoryVerb
  readonly parameters?: HistoryRecord['parameters']
}

/** What is known about an operation once it is done. */
export type OperationResult = Partial<
  Pick<HistoryRecord, 'outcome' | 'keyIds' | 'counts' | 'parameters'>
>

/**
 * Does an operation between its two records. It is not begun where the first cannot be written, so
 * that nothing happens without a trace.
 *
 * @param resultOf - what the record of the end says about the result
 * @throws ERR_HISTORY (`retryable`) where the operation is done and the record of its end is missing
 * @throws ERR_CONFIG for an `actor` or `reason` that is no text of at most 1,000 characters
 * @throws ERR_KEY_STORE where the history cannot be written; nothing was done
 */
export async function recorded<T>(
  keyring: Keyring,
  { verb, actor = '', reason = '', parameters = {} }: Operation,
  work: () => Promise<T>,
  resultOf: (result: T) => OperationResult,
): Promise<T> {
  checkHistoryOptions({ actor, reason })
  const operation = toHex(randomBytes(8))
  const beganAt = new Date().toISOString()
  const begun = { operation, verb, beganAt, actor, reason, parameters, keyIds: [], counts: {} }
  await recordHistory(keyring, { ...begun, phase: 'begun', endedAt: null, outcome: null })
  const end = (result: OperationResult): Promise<HistoryEntry> => {
    const all = { ...parameters, ...result.parameters }
    const ended = { phase: 'ended', endedAt: new Date().toISOString(), outcome: 'done' } as const
    return recordHistory(keyring, { ...begun, ...ended, ...result, parameters: all })
  }
  let result: T
  try {
    result = await work()
  } catch (error) {
    const code = isMortiseError(error) ? error.code : 'unknown'
    // What went wrong first is what the caller must know; the history shows it as begun.
    await end({ outcome: 'failed', parameters: { error: code } }).catch(() => {})
    throw error
  }
  await end(resultOf(result)).catch((cause: unknown) => {
    throw recordMissing(verb, operation, cause)
  })
  return result
}

/**
 * A record as it is read from the store.
 *
 * @throws ERR_KEY_STORE for what no release could have written
 */
export function entryOf({ sequence, checksum, record }: HistoryLink): HistoryEntry {
  const parsed = parse(record)
  if (parsed !== null) return { sequence, checksum, ...parsed }
  throw new MortiseError(
    'ERR_KEY_STORE',
    `record ${sequence} of the history is malformed: verifyHistory tells whether it was changed`,
  )
}

function parse(text: string): HistoryRecord | null {
  try {
    const record = JSON.parse(text) as Partial<HistoryRecord> | null
    const whole = typeof record?.operation === 'string' && typeof record.verb === 'string'
    return whole && Array.isArray(record.keyIds) ? (record as HistoryRecord) : null
  } catch {
    return null
  }
}

/** Members in one order: the text is what is chained. */
function canonicalText(record: HistoryRecord): string {
  const { operation, phase, verb, beganAt, endedAt, actor, reason, outcome, keyIds } = record
  const words = { operation, phase, verb, beganAt, endedAt, actor, reason, outcome, keyIds }
  const [counts, parameters] = [record.counts, record.parameters].map(sorted)
  return JSON.stringify({ ...words, counts, parameters })
}

function sorted(members: object): object {
  return Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)))
}

const MAX_WORDS = 1000

/** @throws ERR_CONFIG for an `actor` or `reason` that is no text of at most 1,000 characters */
export function checkHistoryOptions({ actor = '', reason = '' }: HistoryOptions): void {
  checkWords('actor', actor)
  checkWords('reason', reason)
}

function checkWords(option: string, text: unknown): void {
  const fits = typeof text === 'string' && text.length <= MAX_WORDS && !text.includes('\0')
  if (fits) return
  throw new MortiseError(
    'ERR_CONFIG',
    `${option} must be text of at most ${MAX_WORDS} characters, without NUL`,
  )
}

function recordMissing(verb: HistoryVerb, operation: string, cause: unknown): MortiseError {
  return new MortiseError(
    'ERR_HISTORY',
    `${verb} is done, but the record of its end could not be written: the history shows operation ${operation} as begun. Running it again does no harm and is recorded anew`,
    { cause, retryable: true },
  )
}
