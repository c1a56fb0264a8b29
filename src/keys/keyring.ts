import { MortiseError } from '../errors'
import type { KeyRecord, KeyState } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'
import type { KeyAccess } from './access'
import type { KeyringHealth } from './health'
import { keyringAccess } from './keyring-access'
import { type KeyControl, keyringControl } from './keyring-control'
import { checkKeyringOptions, type KeyringOptions } from './keyring-options'
import { makeParts } from './keyring-parts'

/** One key of a keyring, without any key bytes. */
export interface KeyInfo {
  /** 16 hex digits; every envelope names its key by it. */
  readonly id: string
  readonly purpose: KeyPurpose
  /** Counts from 1 for each purpose; the highest one seals. */
  readonly version: number
  readonly state: KeyState
  readonly createdAt: Date
  /** URIs of the providers that can open it. */
  readonly providers: readonly string[]
}

/** The keys of one domain. Shows its domain and provider URIs, and nothing else. */
export interface Keyring {
  readonly domain: string
  /**
   * Loads the keys, makes the first one of each purpose, and has the providers open all that may still
   * be used: one provider call for each, up to 8 at a time.
   *
   * @throws ERR_KEY_STORE, ERR_KEY_PROVIDER, ERR_KEY_INTEGRITY for what would keep the first value from
   * being sealed; an older key that does not open is an error for its own values, and an event
   */
  ready(): Promise<void>
  /** All keys of the domain as the key store holds them now, by purpose and version. */
  keys(): Promise<KeyInfo[]>
  /**
   * Proves every provider by having it wrap and unwrap a key that is made for it, and reads the key
   * store. Made for a readiness probe every half minute: two calls of each provider.
   *
   * @returns what was found; what is not well never rejects
   * @throws ERR_CLOSED once the keyring was closed
   */
  health(): Promise<KeyringHealth>
  /** Closes providers and store; every later use throws ERR_CLOSED. May be called again. */
  close(): Promise<void>
}

const INSPECT = Symbol.for('nodejs.util.inspect.custom')
/** Outside of the object, so that neither inspection nor a property walk can reach a key. */
const inner = new WeakMap<object, { access: KeyAccess; control: KeyControl }>()

/**
 * Makes a keyring. Synchronous: no provider and no store is asked before the first use.
 *
 * @throws ERR_CONFIG for no or more than 8 providers, two with one URI, a malformed domain, or times
 * out of range
 */
export function createKeyring(options: KeyringOptions): Keyring {
  const config = checkKeyringOptions(options)
  const parts = makeParts(config)
  const access = keyringAccess(parts)
  const control = keyringControl(parts)
  const { domain } = config
  const shown = (): object => ({ domain, providers: control.providers.uris })
  const keyring: Keyring = {
    domain,
    ready: () => access.ready(),
    keys: async () => (await control.keys()).map(keyInfo).sort(byPurposeAndVersion),
    health: () => control.health(),
    close: () => control.close(),
  }
  Object.defineProperties(keyring, {
    toJSON: { value: shown },
    [INSPECT]: { value: () => `Keyring ${JSON.stringify(shown())}` },
  })
  inner.set(keyring, { access, control })
  return Object.freeze(keyring)
}

/**
 * The keys behind a keyring, for the layers that seal and open.
 *
 * @throws ERR_CONFIG for anything that this copy of mortise did not make
 */
export function keyAccess(keyring: Keyring): KeyAccess {
  return innerOf(keyring).access
}

/** The administration of a keyring, for rotation. See {@link keyAccess} for its error. */
export function keyControl(keyring: Keyring): KeyControl {
  return innerOf(keyring).control
}

function innerOf(keyring: Keyring): { access: KeyAccess; control: KeyControl } {
  const found = inner.get(keyring)
  if (found !== undefined) return found
  throw new MortiseError(
    'ERR_CONFIG',
    'not a keyring of this copy of mortise: make it with createKeyring, and check that only one copy of the package is installed',
  )
}

function keyInfo(record: KeyRecord): KeyInfo {
  const { id, purpose, version, state, createdAt, wraps } = record
  const providers = wraps.map(({ providerUri }) => providerUri)
  return { id, purpose, version, state, createdAt, providers }
}

function byPurposeAndVersion(a: KeyInfo, b: KeyInfo): number {
  return a.purpose === b.purpose ? a.version - b.version : a.purpose < b.purpose ? -1 : 1
}
