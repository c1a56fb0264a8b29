import { MortiseError } from '../../src/errors'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyEvent } from '../../src/keys/events'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import type { KeyProvider } from '../../src/providers/provider'
import { eventLog, type ScriptedStore, scriptedProvider, scriptedStore } from '../keys/fixtures'

/** A keyring over providers that can be scripted, its store, and what it reported. */
export interface Wrapped {
  readonly keyring: Keyring
  readonly store: ScriptedStore
  readonly events: KeyEvent[]
}

/** Another keyring on the same store is another process. */
export function keyringOf(
  providers: readonly KeyProvider[],
  store: ScriptedStore = scriptedStore(memoryKeyStore()),
): Wrapped {
  const { events, onEvent } = eventLog()
  const keyring = createKeyring({ providers, store, onEvent, cache: { epochPollMs: 0 } })
  return { keyring, store, events }
}

/** Names of providers that share one secret each in a test: `in-app:NAME`. */
export function providers<T extends string>(...names: T[]): Record<T, ReturnType<typeof scripted>> {
  return Object.fromEntries(names.map((name) => [name, scripted(name)])) as never
}

const scripted = (name: string) => scriptedProvider(name, generateRootKey())

/** What a provider throws that will not serve, and is not asked a second time for one call. */
export const unavailable = (): MortiseError =>
  new MortiseError('ERR_KEY_PROVIDER', 'the key is disabled', { failure: 'state' })

/** A provider with the same URI and another secret: what a forger would have. */
export const impostorOf = ({ uri }: KeyProvider): KeyProvider =>
  inAppKeyProvider({ name: uri.slice('in-app:'.length), secret: generateRootKey() })

/** Who wraps each key, by purpose and version; their names in alphabetical order. */
export async function wrapsOf(keyring: Keyring): Promise<string[]> {
  const namesOf = (uris: readonly string[]): string =>
    uris
      .map((uri) => uri.slice('in-app:'.length))
      .sort()
      .join(' ')
  const keys = await keyring.keys()
  return keys.map(
    ({ purpose, version, providers: uris }) => `${purpose} ${version}: ${namesOf(uris)}`,
  )
}
