import type { MovingKeys } from '../envelope/rewrap-many'
import { isMortiseError, MortiseError, type MortiseErrorCode } from '../errors'
import type { DataKey, KeyAccess, KeyRequest, ProviderDeks, ProviderKey } from '../keys/access'
import { keyNotFound } from '../keys/key-use'
import { type Keyring, keyAccess } from '../keys/keyring'

/** What the envelopes of a page name: their keys, with the DEKs that providers wrapped. */
type PageRequest = Pick<KeyRequest, 'data' | 'provider'>

/** The keys of a rewrap: it moves everything older to the key that is active when it begins. */
export interface RewrapKeys {
  readonly targetId: string
  /** Whether the target's provider wraps the DEKs itself: one call for each record. */
  readonly byProvider: boolean
  /** Whether an envelope that names this key needs no rewrap, as far as is known without any I/O. */
  isCurrent(keyId: string): boolean
  /** Which of these keys are to be moved from: others may have made newer ones meanwhile. */
  staleAmong(keyIds: readonly string[]): Promise<ReadonlySet<string>>
  /**
   * Asked for every page, so that a key disabled meanwhile is obeyed within the staleness bound; a
   * key that is unlocked already costs no I/O.
   *
   * @throws ERR_KEY_STATE where the target key was disabled, or has no material and is no longer the
   *   active one
   * @throws ERR_KEY_PROVIDER where no provider answers
   */
  forPage(request: PageRequest): Promise<MovingKeys>
}

/** What concerns the values of one key only; everything else ends the rewrap. */
const OF_ONE_KEY: readonly MortiseErrorCode[] = [
  'ERR_KEY_NOT_FOUND',
  'ERR_KEY_STATE',
  'ERR_KEY_INTEGRITY',
]

/** Reads the key store anew: a rotation just made by another process must be seen. */
export async function openRewrapKeys(keyring: Keyring): Promise<RewrapKeys> {
  const access = keyAccess(keyring)
  let versions = await dataKeyVersions(keyring)
  const active = await activeKey(access)
  const { id: targetId, version: targetVersion } = active
  const isCurrent = (id: string): boolean =>
    id === targetId || (versions.get(id) ?? 0) > targetVersion
  const staleAmong = async (ids: readonly string[]): Promise<ReadonlySet<string>> => {
    if (ids.some((id) => !versions.has(id))) versions = await dataKeyVersions(keyring)
    return new Set(ids.filter((id) => !isCurrent(id)))
  }
  return {
    targetId,
    byProvider: 'wrapDek' in active,
    isCurrent,
    staleAmong,
    forPage: async ({ data, provider }) => {
      const target = await targetNow(access, active)
      const stale = await staleAmong([...data, ...provider.keys()])
      // Only what the store knows is asked for: ids come out of stored data, and may be anything.
      const known = (id: string): boolean => versions.has(id)
      const staleOf = (ids: Iterable<string>) => [...ids].filter((id) => stale.has(id))
      const sources = {
        data: await openEach(staleOf(data), known, access, dataRequest),
        provider: await openEach(staleOf(provider.keys()), known, access, (id) =>
          providerRequest(id, provider.get(id)),
        ),
      }
      return { target, source: (id, kind) => sourceFrom(sources[kind].get(id)) }
    },
  }
}

async function activeKey(access: KeyAccess): Promise<DataKey | ProviderKey> {
  return (await access.sealingKeys([null])).get(null) as DataKey | ProviderKey
}

async function targetNow(
  access: KeyAccess,
  target: DataKey | ProviderKey,
): Promise<DataKey | ProviderKey> {
  if (!('wrapDek' in target)) {
    return (await access.openingKeys([target.id])).get(target.id) as DataKey
  }
  const active = await activeKey(access)
  if (active.id === target.id) return active
  throw new MortiseError(
    'ERR_KEY_STATE',
    `data key ${target.id} is no longer the active one, and its provider wraps DEKs for the active key only: run rewrap again`,
    { retryable: true },
  )
}

async function dataKeyVersions(keyring: Keyring): Promise<ReadonlyMap<string, number>> {
  const keys = (await keyring.keys()).filter(({ purpose }) => purpose === 'data')
  return new Map(keys.map(({ id, version }) => [id, version]))
}

type Source = DataKey | ProviderDeks

/** What is wrong with one key must not end the work on the values of the others. */
async function openEach(
  ids: readonly string[],
  known: (id: string) => boolean,
  access: KeyAccess,
  requestOf: (id: string) => KeyRequest,
): Promise<ReadonlyMap<string, Source | MortiseError>> {
  const sources = new Map<string, Source | MortiseError>()
  for (const id of ids) {
    sources.set(
      id,
      known(id)
        ? await openOrExplain(id, access, requestOf(id))
        : keyNotFound(id, access.domain, 'data'),
    )
  }
  return sources
}

async function openOrExplain(
  id: string,
  access: KeyAccess,
  request: KeyRequest,
): Promise<Source | MortiseError> {
  try {
    const keys = await access.keysFor(request)
    return keys.keyOf(id, request.data.size > 0 ? 'data' : 'provider') as Source
  } catch (error) {
    if (isMortiseError(error) && OF_ONE_KEY.includes(error.code)) return error
    throw error
  }
}

const NOTHING: KeyRequest = { data: new Set(), subject: new Set(), provider: new Map() }

function dataRequest(id: string): KeyRequest {
  return { ...NOTHING, data: new Set([id]) }
}

function providerRequest(
  id: string,
  deks: ReadonlyMap<string, Uint8Array> = new Map(),
): KeyRequest {
  return { ...NOTHING, provider: new Map([[id, deks]]) }
}

function sourceFrom(found: Source | MortiseError | undefined): Source | null {
  if (isMortiseError(found)) throw found
  return found ?? null
}
