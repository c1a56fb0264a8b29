import {
  changeState,
  destroyKey,
  epochOf,
  insertIndexes,
  insertKey,
  removeIndex,
  replaceIndex,
  replaceWraps,
  type StoreContent,
  shownKeys,
} from './content'
import { appendHistory, pageHistory } from './content-history'
import {
  countSubjectKeys,
  destroySubjectKeys,
  findSubjectKeys,
  insertSubjectKeys,
  pageSubjectKeys,
  rewrapSubjectKeys,
} from './content-subjects'
import type { HistoryLink } from './history'
import type { KeyStore } from './store'

/** A change gives the next content, or `null` where it does not apply. */
export type ContentChange = (content: StoreContent) => StoreContent | null

/**
 * A key store over one content value that is read and replaced as a whole.
 *
 * @param read - the present content
 * @param update - applies a change that nobody else interleaves with; false where it gave `null`
 */
export function contentStore(
  read: () => Promise<StoreContent>,
  update: (change: ContentChange) => Promise<boolean>,
): KeyStore {
  return {
    loadKeys: async (domain) => {
      const content = await read()
      return { epoch: epochOf(content, domain), keys: shownKeys(content, domain) }
    },
    loadEpoch: async (domain) => epochOf(await read(), domain),
    insertKey: (insertion) => update((content) => insertKey(content, insertion)),
    changeState: (id, from, to) => update((content) => changeState(content, id, from, to)),
    destroyKey: (key, tombstone) => update((content) => destroyKey(content, key, tombstone)),
    replaceWraps: (key, wraps) => update((content) => replaceWraps(content, key, wraps)),
    ...subjectStore(read, update),
    ...historyStore(read, update),
    loadIndexes: async (domain) =>
      (await read()).indexes.filter((record) => record.domain === domain),
    insertIndexes: async (records) => {
      await update((content) => insertIndexes(content, records))
    },
    replaceIndex: (previous, next) => update((content) => replaceIndex(content, previous, next)),
    removeIndex: (record) => update((content) => removeIndex(content, record)),
  }
}

/** The part of the store that is about data subjects. */
function subjectStore(
  read: () => Promise<StoreContent>,
  update: (change: ContentChange) => Promise<boolean>,
) {
  return {
    loadSubjectKeys: async (domain, wanted) => findSubjectKeys(await read(), domain, wanted),
    insertSubjectKeys: async (records) => {
      await update((content) => insertSubjectKeys(content, records))
    },
    pageSubjectKeys: async (domain, page) => pageSubjectKeys(await read(), domain, page),
    rewrapSubjectKeys: async (changes) => {
      let rewrapped = 0
      await update((content) => {
        const next = rewrapSubjectKeys(content, changes)
        rewrapped = next.count
        return rewrapped === 0 ? null : next.content
      })
      return rewrapped
    },
    countSubjectKeys: async (domain) => countSubjectKeys(await read(), domain),
    destroySubjectKeys: async (tombstones) => {
      await update((content) => destroySubjectKeys(content, tombstones))
    },
    loadTombstones: async (domain) =>
      (await read()).tombstones.filter((tombstone) => tombstone.domain === domain),
  } satisfies Partial<KeyStore>
}

/** The part of the store that is about what was done. */
function historyStore(
  read: () => Promise<StoreContent>,
  update: (change: ContentChange) => Promise<boolean>,
) {
  return {
    appendHistory: async (domain, text) => {
      let added: HistoryLink | undefined
      await update((content) => {
        const next = appendHistory(content, domain, text)
        added = next.link
        return next.content === content ? null : next.content
      })
      return added as HistoryLink
    },
    loadHistory: async (domain, page) => pageHistory(await read(), domain, page),
  } satisfies Partial<KeyStore>
}
