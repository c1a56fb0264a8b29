import type { KeyRecord, Session } from '../key-store/store'
import type { DataKey, KeyAccess, SealingKey } from './access'
import { activeKey } from './active-key'
import { concurrencyLimit } from './concurrency-limit'
import { isUsable, keyNotFound, noLocalKey } from './key-use'
import { type KeyringParts, tokenKeyOf } from './keyring-parts'
import { dataKeyOf } from './opening'
import { openingKeys } from './opening-keys'
import { isProviderKey } from './provider-keys'

/** KEKs that are opened at the same time at start. */
const READY_CONCURRENCY = 8

/** What the layers above may do with the keys; every call first asks whether the keyring is closed. */
export function keyringAccess(parts: KeyringParts): KeyAccess {
  const { slot, opening, registry, subjects, closing } = parts
  const { domain, wrapping } = parts.config
  const open = <T>(work: () => T): T => {
    closing.check()
    return work()
  }
  return {
    domain,
    wrapping,
    attachStore: (owner, create) => open(() => slot.attach(owner, create)),
    releaseStore: (owner) => slot.release(owner),
    ready: async (session) => open(() => openLiveKeys(parts, session)),
    sealingKey: async (session) =>
      open(async () => {
        const record = await activeKey(parts, 'data', session)
        if (isProviderKey(record)) throw noLocalKey(record)
        return localKey(parts, record)
      }),
    sealingKeys: async (wanted, session) => open(() => sealingKeys(parts, wanted, session)),
    subjectRefs: async (ids, session) => open(() => subjects.refs(ids, session)),
    loadedOpeningKey: (id) => open(() => opening.loaded(id)),
    openingKeys: async (ids, session) => open(() => opening.open(ids, session)),
    keysFor: async (request, session) => open(() => openingKeys(parts, request, session)),
    declareIndexes: async (list, session) => open(() => registry.declare(list, session)),
    redeclareIndex: async (one, session) => open(() => registry.redeclare(one, session)),
    knownFieldIds: async (session) => open(() => registry.fieldIds(session)),
    tokenKey: async (name, session) => open(() => tokenKeyOf(parts, name, session)),
    indexStage: async (fieldId, session) => open(() => registry.stage(fieldId, session)),
    knownIndexStage: (fieldId) => open(() => registry.knownStage(fieldId)),
    changingFieldIds: async () => open(() => registry.changingFieldIds()),
    stalenessMs: parts.config.times.epochPollMs,
  }
}

/**
 * One provider call for each key that may still be used, the sealing ones first. An older key that
 * does not open concerns its own values only: whoever meets one gets the error, and nobody else.
 */
async function openLiveKeys(parts: KeyringParts, session?: Session): Promise<void> {
  await parts.snapshot.reload(session)
  await parts.providers.checkDistinct()
  const active = [await activeKey(parts, 'data', session), await activeKey(parts, 'index', session)]
  const { keys } = await parts.snapshot.current(session)
  const records = [...new Map([...active, ...keys.values()].map((key) => [key.id, key])).values()]
  const usable = records.filter((record) => isUsable(record) && !isProviderKey(record))
  const limit = concurrencyLimit(READY_CONCURRENCY)
  const results = await Promise.allSettled(
    usable.map((record) => limit(() => parts.cache.get(record))),
  )
  parts.closing.check()
  for (const [i, result] of results.entries()) {
    const seals = active.includes(usable[i] as KeyRecord)
    if (result.status === 'rejected' && seals) throw result.reason
  }
}

async function sealingKeys(
  parts: KeyringParts,
  wanted: Iterable<string | null>,
  session?: Session,
): Promise<ReadonlyMap<string | null, SealingKey>> {
  const unique = new Set(wanted)
  const subjects = [...unique].filter((subject) => subject !== null)
  const keys = new Map<string | null, SealingKey>()
  if (unique.has(null)) {
    const record = await activeKey(parts, 'data', session)
    const providerKey = isProviderKey(record) ? parts.providerKeys.sealing(record) : undefined
    keys.set(null, providerKey ?? (await localKey(parts, record)))
  }
  if (subjects.length === 0) return keys
  for (const [subject, key] of await parts.subjects.sealing(subjects, session)) {
    keys.set(subject, key)
  }
  return keys
}

async function localKey(parts: KeyringParts, record: KeyRecord): Promise<DataKey> {
  const key = dataKeyOf(await parts.cache.get(record))
  if (key === undefined) throw keyNotFound(record.id, record.domain, record.purpose)
  return key
}
