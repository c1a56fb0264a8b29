import { asBuffer, toHex } from '../bytes'
import { epochOf, raiseEpoch, type StoreContent } from './content'
import type { KeyStore, SubjectKeyRecord, Tombstone } from './store'

/** See `KeyStore.loadSubjectKeys`. */
export function findSubjectKeys(
  content: StoreContent,
  domain: string,
  wanted: Parameters<KeyStore['loadSubjectKeys']>[1],
): { epoch: number; keys: SubjectKeyRecord[]; tombstones: Tombstone[] } {
  const ids = new Set(wanted.ids)
  const refs = new Set(wanted.refs.map(toHex))
  const keys = aliveIn(content).filter(
    (key) => key.domain === domain && (ids.has(key.id) || refs.has(toHex(key.subjectRef))),
  )
  const tombstones = content.tombstones.filter((one) => one.domain === domain && ids.has(one.id))
  return { epoch: epochOf(content, domain), keys, tombstones }
}

/** Adds the keys whose (domain, subject_ref) and id are free; `null` where that is none. */
export function insertSubjectKeys(
  content: StoreContent,
  records: readonly SubjectKeyRecord[],
): StoreContent | null {
  const alive = aliveIn(content)
  const taken = new Set(alive.flatMap(places))
  for (const { id } of content.tombstones) taken.add(`id ${id}`)
  const added: SubjectKeyRecord[] = []
  for (const record of records) {
    if (places(record).some((place) => taken.has(place))) continue
    for (const place of places(record)) taken.add(place)
    added.push({ ...record })
  }
  if (added.length === 0) return null
  return { ...content, subjectKeys: [...alive, ...added] }
}

/** See `KeyStore.pageSubjectKeys`. */
export function pageSubjectKeys(
  content: StoreContent,
  domain: string,
  { notUnder, after, limit }: Parameters<KeyStore['pageSubjectKeys']>[1],
): SubjectKeyRecord[] {
  return aliveIn(content)
    .filter((key) => key.domain === domain && key.kekId !== notUnder && key.id > (after ?? ''))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, limit)
}

/** @returns the number of keys that were changed, and the content with them */
export function rewrapSubjectKeys(
  content: StoreContent,
  changes: Parameters<KeyStore['rewrapSubjectKeys']>[0],
): { content: StoreContent; count: number } {
  const byId = new Map(changes.map((change) => [change.id, change]))
  let count = 0
  const subjectKeys = content.subjectKeys.map((key) => {
    const change = byId.get(key.id)
    if (change === undefined || !asBuffer(key.wrapped).equals(change.wrapped)) return key
    count++
    return { ...key, ...change.next }
  })
  return { content: { ...content, subjectKeys }, count }
}

/** See `KeyStore.countSubjectKeys`. */
export function countSubjectKeys(
  content: StoreContent,
  domain: string,
): { kekId: string; count: number }[] {
  const counts = new Map<string, number>()
  for (const key of aliveIn(content)) {
    if (key.domain === domain) counts.set(key.kekId, (counts.get(key.kekId) ?? 0) + 1)
  }
  return [...counts].map(([kekId, count]) => ({ kekId, count })).sort(byKek)
}

/** See `KeyStore.destroySubjectKeys`. */
export function destroySubjectKeys(
  content: StoreContent,
  tombstones: readonly Tombstone[],
): StoreContent | null {
  if (tombstones.length === 0) return null
  const gone = new Set(tombstones.map(({ id }) => id))
  const known = new Set(content.tombstones.map(({ id }) => id))
  const added: Tombstone[] = []
  for (const tombstone of tombstones) {
    if (!known.has(tombstone.id)) added.push({ ...tombstone })
    known.add(tombstone.id)
  }
  const raised = [...new Set(tombstones.map(({ domain }) => domain))].reduce(raiseEpoch, content)
  return {
    ...raised,
    subjectKeys: content.subjectKeys.filter(({ id }) => !gone.has(id)),
    tombstones: [...content.tombstones, ...added],
  }
}

/** A key that has a tombstone is gone, whatever a restored file holds. */
function aliveIn({ subjectKeys, tombstones }: StoreContent): readonly SubjectKeyRecord[] {
  const buried = new Set(tombstones.map(({ id }) => id))
  return subjectKeys.filter(({ id }) => !buried.has(id))
}

function places({ id, domain, subjectRef }: SubjectKeyRecord): string[] {
  return [`id ${id}`, `ref ${domain} ${toHex(subjectRef)}`]
}

function byKek(a: { kekId: string }, b: { kekId: string }): number {
  return a.kekId < b.kekId ? -1 : 1
}
