import { toHex } from '../bytes'
import type { HistoryLink } from './history'
import type {
  IndexRecord,
  KeyInsertion,
  KeyRecord,
  KeyState,
  KeyWrap,
  SubjectKeyRecord,
  Tombstone,
} from './store'

/** Everything a store holds, as one immutable value: a change makes a new one or nothing at all. */
export interface StoreContent {
  /** The epoch of each domain that was ever written. */
  readonly epochs: ReadonlyMap<string, number>
  readonly keys: readonly KeyRecord[]
  readonly indexes: readonly IndexRecord[]
  readonly subjectKeys: readonly SubjectKeyRecord[]
  readonly tombstones: readonly Tombstone[]
  readonly history: readonly (HistoryLink & { readonly domain: string })[]
}

export const EMPTY_CONTENT: StoreContent = {
  epochs: new Map(),
  keys: [],
  indexes: [],
  subjectKeys: [],
  tombstones: [],
  history: [],
}

/** The domain's epoch; 0 before its first write. */
export function epochOf(content: StoreContent, domain: string): number {
  return content.epochs.get(domain) ?? 0
}

/** @returns `null` where another writer was first; see `KeyStore.insertKey` */
export function insertKey(
  content: StoreContent,
  { key, demote }: KeyInsertion,
): StoreContent | null {
  const siblings = content.keys.filter(
    ({ domain, purpose }) => domain === key.domain && purpose === key.purpose,
  )
  if (!follows(siblings, key, demote)) return null
  if (content.keys.some(({ id }) => id === key.id)) return null
  const raised = raiseEpoch(content, key.domain)
  const epoch = epochOf(raised, key.domain)
  const demoted = content.keys.map((record) =>
    record.id === demote ? inState(record, 'decrypt-only', epoch) : record,
  )
  return { ...raised, keys: [...demoted, { ...key, epoch }] }
}

/**
 * Whether `key` is the next version of its siblings (the keys of one domain and purpose) and
 * `demote` names the one that is active. Every store decides by this one rule.
 */
export function follows(
  siblings: readonly Pick<KeyRecord, 'id' | 'version' | 'state'>[],
  key: Pick<KeyRecord, 'version'>,
  demote: string | null,
): boolean {
  const highest = Math.max(0, ...siblings.map(({ version }) => version))
  const active = siblings.find(({ state }) => state === 'active')?.id ?? null
  return key.version === highest + 1 && active === demote
}

/** @returns `null` where the key is not in state `from`, or another one is active */
export function changeState(
  content: StoreContent,
  id: string,
  from: KeyState,
  to: KeyState,
): StoreContent | null {
  const key = content.keys.find((record) => record.id === id)
  if (key?.state !== from) return null
  if (to === 'active' && content.keys.some((other) => isActiveSibling(other, key))) return null
  const raised = raiseEpoch(content, key.domain)
  const changed = inState(key, to, epochOf(raised, key.domain))
  return { ...raised, keys: content.keys.map((record) => (record === key ? changed : record)) }
}

/** @returns `null` where the key is another one by now; see `KeyStore.destroyKey` */
export function destroyKey(
  content: StoreContent,
  { id, state, wraps }: Pick<KeyRecord, 'id' | 'state' | 'wraps'>,
  tombstone: Tombstone,
): StoreContent | null {
  const key = content.keys.find((record) => record.id === id)
  if (key?.state !== state || !sameWraps(key.wraps, wraps)) return null
  const changed = changeState(content, id, state, 'destroyed')
  if (changed === null) return null
  const keys = changed.keys.map((record) => (record.id === id ? { ...record, wraps: [] } : record))
  const kept = content.tombstones.some((one) => one.id === id)
  const tombstones = kept ? content.tombstones : [...content.tombstones, { ...tombstone }]
  return { ...changed, keys, tombstones }
}

/** The keys of a domain as every store shows them; see `KeyStore.loadKeys`. */
export function shownKeys({ keys, tombstones }: StoreContent, domain: string): KeyRecord[] {
  const buried = new Set(tombstones.map(({ id }) => id))
  return keys
    .filter((key) => key.domain === domain)
    .map((key) => (buried.has(key.id) ? { ...key, state: 'destroyed', wraps: [] } : key))
}

/** @returns `null` where the key has other wraps by now; see `KeyStore.replaceWraps` */
export function replaceWraps(
  content: StoreContent,
  { id, wraps: previous }: Pick<KeyRecord, 'id' | 'wraps'>,
  wraps: readonly KeyWrap[],
): StoreContent | null {
  const key = content.keys.find((record) => record.id === id)
  if (key === undefined || !sameWraps(key.wraps, previous)) return null
  const raised = raiseEpoch(content, key.domain)
  const changed = { ...key, wraps: inOrder(wraps), epoch: epochOf(raised, key.domain) }
  return { ...raised, keys: content.keys.map((record) => (record === key ? changed : record)) }
}

/** Whether two lists hold the same blobs of the same providers, in whatever order. */
export function sameWraps(a: readonly KeyWrap[], b: readonly KeyWrap[]): boolean {
  const texts = (wraps: readonly KeyWrap[]): string =>
    wraps
      .map(({ providerUri, wrapped }) => `${providerUri} ${toHex(wrapped)}`)
      .sort()
      .join('\n')
  return texts(a) === texts(b)
}

/** The order in which every store gives wraps back. */
function inOrder(wraps: readonly KeyWrap[]): KeyWrap[] {
  return [...wraps].sort(
    (a, b) =>
      a.createdAt.getTime() - b.createdAt.getTime() || (a.providerUri < b.providerUri ? -1 : 1),
  )
}

/** Adds the records whose place (domain, kind, name, generation) is free. */
export function insertIndexes(
  content: StoreContent,
  records: readonly IndexRecord[],
): StoreContent | null {
  const added: IndexRecord[] = []
  for (const record of records) {
    if (![...content.indexes, ...added].some((other) => samePlace(other, record))) {
      added.push({ ...record })
    }
  }
  if (added.length === 0) return null
  const domains = new Set(added.map(({ domain }) => domain))
  const raised = [...domains].reduce(raiseEpoch, content)
  return { ...raised, indexes: [...content.indexes, ...added] }
}

/** @returns `null` where no record equals `previous` */
export function replaceIndex(
  content: StoreContent,
  previous: IndexRecord,
  next: IndexRecord,
): StoreContent | null {
  const found = content.indexes.find((record) => sameIndex(record, previous))
  if (found === undefined || !samePlace(previous, next)) return null
  const indexes = content.indexes.map((record) => (record === found ? { ...next } : record))
  return { ...raiseEpoch(content, next.domain), indexes }
}

/** @returns `null` where no record equals it, or no other generation of its name is left */
export function removeIndex(content: StoreContent, record: IndexRecord): StoreContent | null {
  const indexes = content.indexes.filter((other) => !sameIndex(other, record))
  const { generation } = record
  const hasSibling = indexes.some((other) => samePlace({ ...other, generation }, record))
  if (indexes.length === content.indexes.length || !hasSibling) return null
  return { ...raiseEpoch(content, record.domain), indexes }
}

/** The content at the next epoch of a domain. */
export function raiseEpoch(content: StoreContent, domain: string): StoreContent {
  const epochs = new Map(content.epochs).set(domain, epochOf(content, domain) + 1)
  return { ...content, epochs }
}

function inState(record: KeyRecord, state: KeyState, epoch: number): KeyRecord {
  return { ...record, state, epoch, stateChangedAt: new Date() }
}

function isActiveSibling(other: KeyRecord, key: KeyRecord): boolean {
  const sibling = other.domain === key.domain && other.purpose === key.purpose
  return sibling && other.state === 'active'
}

function samePlace(a: IndexRecord, b: IndexRecord): boolean {
  return (
    a.domain === b.domain && a.kind === b.kind && a.name === b.name && a.generation === b.generation
  )
}

function sameIndex(a: IndexRecord, b: IndexRecord): boolean {
  return (
    samePlace(a, b) &&
    a.indexKeyId === b.indexKeyId &&
    a.normaliser === b.normaliser &&
    a.bits === b.bits &&
    a.range === b.range &&
    a.group === b.group &&
    a.state === b.state
  )
}
