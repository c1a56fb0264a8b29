import type { HistoryLink } from '../key-store/history'
import { type Keyring, keyControl } from '../keys/keyring'
import { entryOf, type HistoryEntry } from './history-record'
import { targetOf } from './target'

const PAGE = 1000

/** Which part of a history to read. */
export interface HistoryRange {
  /** Only records with a higher number. @defaultValue 0: all */
  readonly after?: number | undefined
}

/**
 * Everything that was done with the keys of a domain and the values under them, oldest first: two
 * records for each operation, one when it began and one when it had ended. Read from the key store
 * now, as it stands there; see {@link verifyHistory} for whether that can be believed.
 *
 * @param target - the keyring, or a DataSource that `withEncryption` was called on, initialised
 * @throws ERR_KEY_STORE where the history cannot be read, or holds what no release could have written
 */
export async function history(
  target: object,
  { after = 0 }: HistoryRange = {},
): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = []
  for await (const link of historyLinks(targetOf(target).keyring, after)) {
    entries.push(entryOf(link))
  }
  return entries
}

/** The stored records behind a number, in order, a page at a time. */
export async function* historyLinks(keyring: Keyring, after = 0): AsyncGenerator<HistoryLink> {
  const { page } = keyControl(keyring).history
  for (let last = after; ; ) {
    const links = await page(last, PAGE)
    yield* links
    if (links.length < PAGE) return
    last = links.at(-1)?.sequence ?? last
  }
}
