import { MortiseError } from '../errors'
import type { HistoryLink, HistoryText } from '../key-store/history'
import type { IndexRecord, KeyRecord, KeyState, KeyStore, Tombstone } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'
import { activeKey } from './active-key'
import { eventKey } from './events'
import { type KeyringHealth, keyringHealth } from './health'
import { type IndexControl, indexControl } from './index-control'
import type { AddedKey } from './key-supply'
import type { KeyringParts } from './keyring-parts'
import type { ProviderSet } from './provider-set'
import type { SubjectKeys } from './subject-keys'
import { SubjectWraps } from './subject-wraps'
import { type WrapControl, wrapControl } from './wrap-control'

/** What rotation and the keyring's own public methods do with keys: no key bytes pass here. */
export interface KeyControl {
  /** The allow-list, to extend and to take from. */
  readonly providers: ProviderSet
  /** Making, moving and removing the wraps of keys. */
  readonly wraps: WrapControl
  /** Finding and destroying keys of data subjects. */
  readonly subjects: SubjectKeys
  /** Moving keys of data subjects from one KEK to another. */
  readonly subjectWraps: SubjectWraps
  /** How long this keyring may use what another process has changed, in milliseconds. */
  readonly stalenessMs: number
  /** What the indexes of fields are made with, and are to be made with. */
  readonly indexes: IndexControl
  /** All keys of the domain, read from the store now. */
  keys(): Promise<KeyRecord[]>
  /**
   * Makes the next version of a purpose the active key.
   *
   * @returns the new key and the one it replaced, or `null` where another writer was first
   */
  addVersion(purpose: KeyPurpose): Promise<AddedKey | null>
  /** @returns false where the key was no longer in that state */
  changeState(key: KeyRecord, to: KeyState): Promise<boolean>
  /** @returns false where the key is in another state by now, or has other wraps */
  destroy(key: KeyRecord, tombstone: Tombstone): Promise<boolean>
  /** What every index of the domain was made with, read from the store now. */
  indexRecords(): Promise<IndexRecord[]>
  /** What was done in the domain: adding a record to its end, and reading a page behind a number. */
  readonly history: {
    append(text: HistoryText): Promise<HistoryLink>
    page(after: number, limit: number): Promise<HistoryLink[]>
  }
  /** Makes the tables or the file of the key store; nothing for a store that needs none. */
  createTables(): Promise<void>
  health(): Promise<KeyringHealth>
  close(): Promise<void>
}

/** The administration of a keyring; closing it ends all the rest. */
export function keyringControl(parts: KeyringParts): KeyControl {
  const { slot, snapshot, supply, config, closing, opening, providers, subjects } = parts
  const { domain, emit } = config
  const store = (): KeyStore => slot.get()
  const open = async <T>(work: () => Promise<T>): Promise<T> => {
    closing.check()
    return work()
  }
  return {
    providers,
    stalenessMs: config.times.epochPollMs,
    wraps: wrapControl({ providers, store, snapshot, emit, closing }),
    subjects,
    subjectWraps: new SubjectWraps({ domain, store, keks: (ids) => opening.keks(ids) }),
    indexes: indexesOf(parts),
    keys: () => open(async () => [...(await snapshot.reload()).keys.values()]),
    addVersion: (purpose) =>
      open(async () => {
        const added = await supply.add(await snapshot.reload(), purpose)
        await snapshot.reloadAfterWrite()
        return added
      }),
    changeState: (key, to) =>
      open(() => changed(parts, key, to, store().changeState(key.id, key.state, to))),
    destroy: (key, tombstone) =>
      open(() => changed(parts, key, 'destroyed', store().destroyKey(key, tombstone))),
    indexRecords: () => open(() => store().loadIndexes(domain)),
    history: {
      append: (text) => open(() => store().appendHistory(domain, text)),
      page: (after, limit) => open(() => store().loadHistory(domain, { after, limit })),
    },
    createTables: () => open(async () => store().createTables?.()),
    health: () => open(() => keyringHealth(parts)),
    close: () => closing.begin(() => closeParts(parts)),
  }
}

/** Tells of a change and reads the keys anew, where it took place. */
async function changed(
  { config, snapshot }: KeyringParts,
  key: KeyRecord,
  to: KeyState,
  change: Promise<boolean>,
): Promise<boolean> {
  if (!(await change)) return false
  config.emit({ type: 'key-state-changed', ...eventKey(key), from: key.state, to })
  await snapshot.reloadAfterWrite()
  return true
}

function indexesOf(parts: KeyringParts): IndexControl {
  const { slot, snapshot, config } = parts
  const { domain, times } = config
  const indexKey = async () => {
    // Another process may have rotated it just now, for the very reindex that asks.
    await snapshot.reload()
    return activeKey(parts, 'index')
  }
  const store = (): KeyStore => slot.get()
  return indexControl({ domain, store, snapshot, indexKey, stalenessMs: times.epochPollMs })
}

/** Everything is closed, also where one part fails to; then that failure is reported. */
async function closeParts(parts: KeyringParts): Promise<void> {
  const { providers, slot, cache, providerKeys, subjects } = parts
  cache.discard()
  subjects.discard()
  providerKeys.discard()
  const results = await Promise.allSettled([providers.close(), slot.close()])
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return
  const code = failed === results[0] ? 'ERR_KEY_PROVIDER' : 'ERR_KEY_STORE'
  const message = 'the keyring is closed, but a part of it failed to close; see the cause'
  throw new MortiseError(code, message, { cause: failed.reason })
}
