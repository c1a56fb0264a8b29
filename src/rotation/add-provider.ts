import { MortiseError } from '../errors'
import type { KeyWrap } from '../key-store/store'
import { type Keyring, keyControl } from '../keys/keyring'
import { isProviderKey } from '../keys/provider-keys'
import type { KeyProvider } from '../providers/provider'
import { changeWraps, liveKeys, type SkippedKey, withWrap, wrapOf } from './change-wraps'
import { type HistoryOptions, recorded } from './history-record'

/** Which provider to add. */
export interface AddProviderOptions extends HistoryOptions {
  /** The keyring closes it from now on. One that it has already, by its URI, is used as it is. */
  readonly provider: KeyProvider
}

/** What {@link addProvider} did, by key id (16 hex digits). */
export interface AddProviderReport {
  readonly providerUri: string
  /** Keys that the provider wraps from now on. */
  readonly added: readonly string[]
  /** Keys that it wrapped already. */
  readonly present: readonly string[]
  /** Keys without material: nothing of them can be wrapped. */
  readonly skipped: readonly SkippedKey[]
}

/**
 * Lets one more provider open the keyring's keys: every key that is not destroyed and lacks its wrap
 * gets one, which is opened and compared with the key's check value before it is stored.
 *
 * A few provider calls per key, whatever the amount of data; no row is touched. What is wrapped
 * already is left as it is, so running it again completes a run that was interrupted, and repairs
 * wraps that are missing. New keys are still wrapped by the first provider of the configuration.
 * Other processes need the provider in their configuration before they can open by it.
 *
 * @returns what was done; also where everything was present
 * @throws ERR_CONFIG for what is no provider, and for the ninth of this keyring
 * @throws ERR_KEY_STATE for a key that has 8 wraps already
 * @throws ERR_KEY_PROVIDER where the new provider cannot wrap, or none opens the key; wraps that were
 *   stored before stay, and so does the provider
 * @throws ERR_KEY_INTEGRITY where a wrap, present or new, does not belong to its key
 * @throws ERR_KEY_STORE where wraps cannot be stored (`retryable` where others changed them meanwhile)
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 */
export async function addProvider(
  keyring: Keyring,
  { provider, actor, reason }: AddProviderOptions,
): Promise<AddProviderReport> {
  checkProvider(provider)
  const operation = { verb: 'addProvider', actor, reason } as const
  return recorded(
    keyring,
    operation,
    () => wrapLiveKeys(keyring, provider),
    ({ providerUri, added, present, skipped }) => ({
      keyIds: added,
      counts: { added: added.length, present: present.length, skipped: skipped.length },
      parameters: { providerUri },
    }),
  )
}

async function wrapLiveKeys(keyring: Keyring, provider: KeyProvider): Promise<AddProviderReport> {
  const { wraps } = keyControl(keyring)
  // A store that cannot be read is found before anything is changed.
  await liveKeys(keyring)
  const uri = await wraps.allow(provider)
  const added: string[] = []
  const present: string[] = []
  const skipped: SkippedKey[] = []
  for (const key of await liveKeys(keyring)) {
    if (isProviderKey(key)) {
      skipped.push({ keyId: key.id, reason: noMaterial(key.wraps[0]?.providerUri) })
      continue
    }
    let made: KeyWrap | undefined
    const changed = await changeWraps(keyring, key, async (seen) => {
      if (wrapOf(seen, uri) !== undefined) return null
      made ??= await wraps.make(seen, uri)
      return withWrap(seen, made)
    })
    const list = changed ? added : present
    list.push(key.id)
  }
  return { providerUri: uri, added, present, skipped }
}

/** Why a key without material is passed by. */
export function noMaterial(uri = 'its provider'): string {
  return `has no key material, because ${uri} wraps each DEK itself: to move its values, run rotateKek in a keyring whose first provider is another one, then rewrap`
}

function checkProvider(provider: unknown): void {
  const { wrapKey, unwrapKey } = (provider ?? {}) as Partial<KeyProvider>
  if (typeof wrapKey === 'function' && typeof unwrapKey === 'function') return
  throw new MortiseError(
    'ERR_CONFIG',
    'addProvider needs `provider`, a key provider such as inAppKeyProvider({ name, secret })',
  )
}
