import { MortiseError } from '../errors'
import type { KeyRecord, KeyWrap } from '../key-store/store'
import { type Keyring, keyControl } from '../keys/keyring'

/** A key that a change of wraps passed by. */
export interface SkippedKey {
  /** 16 hex digits. */
  readonly keyId: string
  readonly reason: string
}

/** Each lost race is another change that succeeded. */
const MAX_ATTEMPTS = 10

/** The keys that may be needed again, destroyed ones left out; read from the store now. */
export async function liveKeys(keyring: Keyring): Promise<KeyRecord[]> {
  return (await keyControl(keyring).keys()).filter(({ state }) => state !== 'destroyed')
}

/**
 * Replaces the wraps of one key, unless somebody else changed them meanwhile: then `change` is asked
 * again with what the key store has now.
 *
 * @param change - the next wraps, or `null` where nothing is to be done
 * @returns whether the wraps were replaced
 * @throws ERR_KEY_STORE (`retryable`) where others changed them all the time
 */
export async function changeWraps(
  keyring: Keyring,
  key: KeyRecord,
  change: (key: KeyRecord) => Promise<readonly KeyWrap[] | null>,
): Promise<boolean> {
  const { wraps } = keyControl(keyring)
  let seen: KeyRecord | undefined = key
  for (let attempt = 0; attempt < MAX_ATTEMPTS && seen !== undefined; attempt++) {
    const next = await change(seen)
    if (next === null) return false
    if (await wraps.replace(seen, next)) return true
    seen = (await liveKeys(keyring)).find(({ id }) => id === key.id)
  }
  if (seen === undefined) return false
  throw new MortiseError(
    'ERR_KEY_STORE',
    `the wraps of key ${key.id} kept changing meanwhile; try again`,
    { retryable: true },
  )
}

/** The wrap of one provider. */
export function wrapOf(key: KeyRecord, uri: string): KeyWrap | undefined {
  return key.wraps.find(({ providerUri }) => providerUri === uri)
}

const MAX_WRAPS = 8

/**
 * A key's wraps with one more, or with another one of the same provider in its place.
 *
 * @throws ERR_KEY_STATE where it would be the ninth
 */
export function withWrap(key: KeyRecord, wrap: KeyWrap): readonly KeyWrap[] {
  if (wrapOf(key, wrap.providerUri) !== undefined) {
    return key.wraps.map((other) => (other.providerUri === wrap.providerUri ? wrap : other))
  }
  if (key.wraps.length < MAX_WRAPS) return [...key.wraps, wrap]
  const uris = key.wraps.map(({ providerUri }) => providerUri).join(', ')
  throw new MortiseError(
    'ERR_KEY_STATE',
    `${key.purpose} key ${key.id} (domain ${key.domain}, version ${key.version}) has ${MAX_WRAPS} wraps already, by ${uris}; drop one of these providers first`,
  )
}
