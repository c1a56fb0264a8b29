import { MortiseError } from '../errors'
import type { KeyRecord, KeyStore, KeyWrap } from '../key-store/store'
import type { KeyProvider } from '../providers/provider'
import type { Closing } from './closing'
import { eventKey, type KeyEventHandler } from './events'
import type { GuardedProvider } from './guarded-provider'
import { makeWrap, moveWrap } from './make-wrap'
import type { ProviderSet } from './provider-set'
import type { KeySnapshot } from './snapshot'
import { openWrap, unlockKey } from './unlock'

/** What rotation does with wraps: no key bytes pass here. Every wrap that it gives was opened once. */
export interface WrapControl {
  /** URIs of the allow-list, after an attempt to open each provider; the first wraps new keys. */
  uris(): Promise<string[]>
  /** The final URI of a provider that may be named as it was before it was opened, by an alias. */
  resolve(uri: string): Promise<string>
  /**
   * Adds a provider behind the others.
   *
   * @returns its URI
   */
  allow(provider: KeyProvider): Promise<string>
  /** Takes a provider off the allow-list and closes it; nothing where there is none. */
  disallow(uri: string): Promise<void>
  /** A wrap of the key by a configured provider; the key is opened by whatever wrap it has. */
  make(key: KeyRecord, uri: string): Promise<KeyWrap>
  /** A wrap by `to` out of the one by `from`; both configured. */
  move(key: KeyRecord, wrap: KeyWrap, to: string): Promise<KeyWrap>
  /** Has the provider of one wrap open it now, and compares the check value. */
  prove(key: KeyRecord, wrap: KeyWrap): Promise<void>
  /** @returns false where the key's wraps are no longer those of `key` */
  replace(key: KeyRecord, wraps: readonly KeyWrap[]): Promise<boolean>
}

/** What {@link wrapControl} works on. */
export interface WrapControlSource {
  readonly providers: ProviderSet
  readonly store: () => KeyStore
  readonly snapshot: KeySnapshot
  readonly emit: KeyEventHandler
  readonly closing: Closing
}

/** The wraps of a keyring's keys. */
export function wrapControl(source: WrapControlSource): WrapControl {
  const { providers, emit, closing } = source
  const opened = (): Promise<readonly GuardedProvider[]> => {
    closing.check()
    return providers.list()
  }
  const configured = async (uri: string): Promise<GuardedProvider> =>
    (await providers.get(uri)) ?? unknownProvider(uri, providers.uris)
  return {
    uris: async () => (await opened()).map(({ uri }) => uri),
    resolve: async (uri) => {
      const place = providers.uris.indexOf(uri)
      return (await opened())[place]?.uri ?? uri
    },
    allow: async (provider) => {
      closing.check()
      return (await providers.add(provider)).uri
    },
    disallow: async (uri) => {
      await providers.remove(uri)
    },
    make: async (key, uri) => {
      const provider = await configured(uri)
      const { kek } = await unlockKey(key, providers, emit)
      return (await makeWrap(kek, key, provider)).wrap
    },
    move: async (key, wrap, to) => {
      const from = await configured(wrap.providerUri)
      return (await moveWrap(wrap, key, from, await configured(to))).wrap
    },
    prove: async (key, wrap) => {
      await openWrap(key, wrap, await configured(wrap.providerUri))
    },
    replace: (key, wraps) => replaceWraps(source, key, wraps),
  }
}

async function replaceWraps(
  { store, snapshot, emit }: WrapControlSource,
  key: KeyRecord,
  wraps: readonly KeyWrap[],
): Promise<boolean> {
  if (!(await store().replaceWraps(key, wraps))) return false
  const providerUris = wraps.map(({ providerUri }) => providerUri)
  emit({ type: 'key-wraps-changed', ...eventKey(key), providerUris })
  await snapshot.reloadAfterWrite()
  return true
}

function unknownProvider(uri: string, known: readonly string[]): never {
  throw new MortiseError(
    'ERR_CONFIG',
    `this keyring has no provider ${uri}; it has ${known.join(', ')}`,
  )
}
