import { isMortiseError, type MortiseError, type MortiseErrorCode } from '../errors'
import type { DataKey, KeyAccess } from '../keys/access'
import { keyNotFound } from '../keys/key-use'
import { type Keyring, keyAccess } from '../keys/keyring'

/** The keys that one page of a rewrap needs. */
export interface PageKeys {
  readonly target: DataKey
  /**
   * The key that an envelope names.
   *
   * @returns null where the envelope needs no rewrap: it is under the target key, or a newer one
   * @throws ERR_KEY_NOT_FOUND, ERR_KEY_STATE, ERR_KEY_INTEGRITY where that key cannot be used
   */
  source(keyId: string): DataKey | null
}

/** The keys of a rewrap: it moves everything older to the key that is active when it begins. */
export interface RewrapKeys {
  readonly targetId: string
  /** Whether an envelope that names this key needs no rewrap. */
  isCurrent(keyId: string): boolean
  /**
   * Asked for every page, so that a key disabled meanwhile is obeyed within the staleness bound; a
   * key that is unlocked already costs no I/O.
   *
   * @throws ERR_KEY_STATE where the target key was disabled, ERR_KEY_PROVIDER where no provider answers
   */
  forPage(keyIds: ReadonlySet<string>): Promise<PageKeys>
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
  const { id: targetId, version: targetVersion } = await access.sealingKey()
  const isCurrent = (id: string): boolean =>
    id === targetId || (versions.get(id) ?? 0) > targetVersion
  return {
    targetId,
    isCurrent,
    forPage: async (keyIds) => {
      const target = (await access.openingKeys([targetId])).get(targetId) as DataKey
      // Only what the store knows is asked for: ids come out of stored data, and may be anything.
      if ([...keyIds].some((id) => id !== targetId && !versions.has(id))) {
        versions = await dataKeyVersions(keyring)
      }
      const sources = new Map<string, DataKey | MortiseError>()
      for (const id of keyIds) {
        if (!isCurrent(id)) sources.set(id, await openOrExplain(access, id, versions.has(id)))
      }
      return { target, source: (id) => sourceFrom(sources.get(id)) }
    },
  }
}

async function dataKeyVersions(keyring: Keyring): Promise<ReadonlyMap<string, number>> {
  const keys = (await keyring.keys()).filter(({ purpose }) => purpose === 'data')
  return new Map(keys.map(({ id, version }) => [id, version]))
}

async function openOrExplain(
  access: KeyAccess,
  id: string,
  known: boolean,
): Promise<DataKey | MortiseError> {
  const missing = keyNotFound(id, access.domain, 'data')
  if (!known) return missing
  try {
    return (await access.openingKeys([id])).get(id) ?? missing
  } catch (error) {
    if (isMortiseError(error) && OF_ONE_KEY.includes(error.code)) return error
    throw error
  }
}

function sourceFrom(found: DataKey | MortiseError | undefined): DataKey | null {
  if (isMortiseError(found)) throw found
  return found ?? null
}
