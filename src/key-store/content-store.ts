import {
  changeState,
  epochOf,
  insertIndexes,
  insertKey,
  replaceIndex,
  type StoreContent,
} from './content'
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
      const keys = content.keys.filter((key) => key.domain === domain)
      return { epoch: epochOf(content, domain), keys }
    },
    loadEpoch: async (domain) => epochOf(await read(), domain),
    insertKey: (insertion) => update((content) => insertKey(content, insertion)),
    changeState: (id, from, to) => update((content) => changeState(content, id, from, to)),
    loadIndexes: async (domain) =>
      (await read()).indexes.filter((record) => record.domain === domain),
    insertIndexes: async (records) => {
      await update((content) => insertIndexes(content, records))
    },
    replaceIndex: (previous, next) => update((content) => replaceIndex(content, previous, next)),
  }
}
