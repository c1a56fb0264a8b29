import { keyIdBytes } from '../bytes'
import { MortiseError } from '../errors'
import type { KeyRecord, KeyState } from '../key-store/store'
import { keyNotFound } from '../keys/key-use'
import { type Keyring, keyControl } from '../keys/keyring'
import { type HistoryOptions, recorded } from './history-record'

/** Which key to change. */
export interface KeyStateOptions extends HistoryOptions {
  /** 16 hex digits. */
  readonly keyId: string
}

/** A key changes state a few times in its life; losing twice means somebody works against us. */
const MAX_ATTEMPTS = 3

/**
 * Makes a key unusable until {@link enableKey}: what it sealed cannot be opened, and searches by
 * tokens of an `index` key fail. Nothing is deleted.
 *
 * This process obeys at once, others within their `cache.epochPollMs`. A key that is disabled
 * already is left as it is.
 *
 * @throws ERR_KEY_STATE for the active key (rotate first) and for a destroyed one
 * @throws ERR_KEY_NOT_FOUND for an id that the keyring's domain does not have
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 */
export async function disableKey(keyring: Keyring, options: KeyStateOptions): Promise<void> {
  await changeKeyState(keyring, 'disableKey', options, (key) => {
    if (key.state === 'active') {
      throw stateError(key, `is the active key; run rotateKek with purpose '${key.purpose}' first`)
    }
    return key.state === 'disabled' ? null : 'disabled'
  })
}

/**
 * Makes a disabled key usable again, for opening only: it never becomes the active key again. A key
 * that is not disabled is left as it is.
 *
 * @throws ERR_KEY_STATE for a destroyed key
 * @throws ERR_KEY_NOT_FOUND for an id that the keyring's domain does not have
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 */
export async function enableKey(keyring: Keyring, options: KeyStateOptions): Promise<void> {
  await changeKeyState(keyring, 'enableKey', options, (key) =>
    key.state === 'disabled' ? 'decrypt-only' : null,
  )
}

async function changeKeyState(
  keyring: Keyring,
  verb: 'disableKey' | 'enableKey',
  { keyId, actor, reason }: KeyStateOptions,
  decide: (key: KeyRecord) => KeyState | null,
): Promise<void> {
  keyIdBytes(keyId)
  await recorded(
    keyring,
    { verb, actor, reason, parameters: { keyId } },
    () => changeUntilKept(keyring, keyId, decide),
    (changed) => ({ keyIds: [keyId], counts: { changed: changed ? 1 : 0 } }),
  )
}

/** @returns whether the state was changed */
async function changeUntilKept(
  keyring: Keyring,
  keyId: string,
  decide: (key: KeyRecord) => KeyState | null,
): Promise<boolean> {
  const control = keyControl(keyring)
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const key = (await control.keys()).find(({ id }) => id === keyId)
    if (key === undefined) throw keyNotFound(keyId, keyring.domain)
    if (key.state === 'destroyed') throw stateError(key, 'is destroyed, which is final')
    const to = decide(key)
    if (to === null) return false
    if (await control.changeState(key, to)) return true
  }
  throw new MortiseError(
    'ERR_KEY_STORE',
    `the state of key ${keyId} kept changing meanwhile; try again`,
    { retryable: true },
  )
}

function stateError(key: KeyRecord, what: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_STATE',
    `${key.purpose} key ${key.id} (domain ${key.domain}, version ${key.version}) ${what}`,
  )
}
