import { MortiseError } from '../errors'
import {
  BEFORE_HISTORY,
  type HistoryHead,
  type HistoryLink,
  linkChecksum,
} from '../key-store/history'
import type { Keyring } from '../keys/keyring'
import { historyLinks } from './history'
import { entryOf, type HistoryEntry } from './history-record'
import { targetOf } from './target'

/** What to compare a history with. */
export interface VerifyHistoryOptions {
  /** The `head` of an earlier verification, kept where the key store's writers cannot reach it. */
  readonly expectedHead?: HistoryHead | undefined
}

/** The first record that does not hold. */
export interface BrokenHistory {
  readonly sequence: number
  /**
   * - `changed`: the record is not the one that was written
   * - `missing`: it is gone
   * - `reordered`: another record of this history stands in its place
   * - `rewritten`: the chain holds, but it is not the one that `expectedHead` was taken from
   */
  readonly problem: 'changed' | 'missing' | 'reordered' | 'rewritten'
}

/** What {@link verifyHistory} found. */
export interface HistoryVerification {
  /** Whether every record holds, up to the head. */
  readonly holds: boolean
  readonly broken: BrokenHistory | null
  /** The last record that holds, to be kept elsewhere; number 0 for an empty history. */
  readonly head: HistoryHead
  /**
   * Operations that began and have no record of their end, up to the head: none that was run again with
   * the same parameters, and ended.
   */
  readonly unfinished: readonly HistoryEntry[]
}

/**
 * Computes the chain of a domain's history anew, record by record, in constant memory but for
 * operations that have not ended.
 *
 * It shows that no record was changed, removed or moved by somebody who did not compute all checksums
 * behind it anew. Whoever can write the whole table can do that, or cut off its end: only
 * `expectedHead`, kept elsewhere, shows it.
 *
 * @param target - the keyring, or a DataSource that `withEncryption` was called on, initialised
 * @returns what was found; a broken chain does not reject
 * @throws ERR_CONFIG for an `expectedHead` that is none
 * @throws ERR_KEY_STORE where the history cannot be read
 */
export async function verifyHistory(
  target: object,
  { expectedHead }: VerifyHistoryOptions = {},
): Promise<HistoryVerification> {
  checkHead(expectedHead)
  const { keyring } = targetOf(target)
  const open = new Map<string, HistoryEntry>()
  let head = BEFORE_HISTORY
  const found = (broken: BrokenHistory | null): HistoryVerification => {
    return { holds: broken === null, broken, head, unfinished: [...open.values()] }
  }
  for await (const link of historyLinks(keyring)) {
    const problem = await problemOf(keyring, head, link)
    if (problem !== null) return found({ sequence: head.sequence + 1, problem })
    if (link.sequence === expectedHead?.sequence && link.checksum !== expectedHead.checksum) {
      return found({ sequence: link.sequence, problem: 'rewritten' })
    }
    head = { sequence: link.sequence, checksum: link.checksum }
    note(open, entryOf(link))
  }
  const cut = expectedHead !== undefined && head.sequence < expectedHead.sequence
  return found(cut ? { sequence: head.sequence + 1, problem: 'missing' } : null)
}

/** A link that follows `head` as it should has none. */
async function problemOf(
  keyring: Keyring,
  head: HistoryHead,
  link: HistoryLink,
): Promise<BrokenHistory['problem'] | null> {
  const sequence = head.sequence + 1
  const { domain } = keyring
  const belongs = (one: HistoryLink): boolean =>
    one.checksum === linkChecksum(domain, head.checksum, { ...one, sequence })
  if (link.sequence === sequence && belongs(link)) return null
  for await (const later of historyLinks(keyring, head.sequence)) {
    if (belongs(later)) return 'reordered'
  }
  return link.sequence === sequence ? 'changed' : 'missing'
}

function note(open: Map<string, HistoryEntry>, entry: HistoryEntry): void {
  const { phase, operation, outcome } = entry
  if (phase === 'begun') open.set(operation, entry)
  else {
    const begun = open.get(operation)
    open.delete(operation)
    if (begun === undefined || outcome === 'failed') return
    for (const other of open.values()) if (isSame(other, begun)) open.delete(other.operation)
  }
}

/** Members are in one order in every record. */
function isSame(a: HistoryEntry, b: HistoryEntry): boolean {
  return a.verb === b.verb && JSON.stringify(a.parameters) === JSON.stringify(b.parameters)
}

function checkHead(head: HistoryHead | undefined): void {
  if (head === undefined) return
  const { sequence, checksum } = head
  if (Number.isInteger(sequence) && sequence >= 0 && /^[0-9a-f]{64}$/.test(checksum)) return
  throw new MortiseError(
    'ERR_CONFIG',
    'expectedHead must be a head that verifyHistory gave: { sequence, checksum }',
  )
}
