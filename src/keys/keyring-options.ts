import { checkIdentifier } from '../bytes'
import { MortiseError } from '../errors'
import type { KeyStore } from '../key-store/store'
import type { KeyProvider } from '../providers/provider'
import { checkDekOptions, type DekOptions } from './dek-options'
import { eventEmitter, type KeyEventHandler } from './events'
import { isProviderUri } from './guarded-provider'
import type { KeyringConfig } from './keyring-config'
import { MAX_PROVIDERS } from './provider-set'

/** What `createKeyring` needs. */
export interface KeyringOptions {
  /** 1 to 8; the first wraps new keys, all of them open. A keyring closes its providers. */
  readonly providers: readonly KeyProvider[]
  /** Where wrapped keys live. Without it, `withEncryption` keeps them in its DataSource. */
  readonly store?: KeyStore | undefined
  /**
   * Separates applications or tenants that share a key store: each domain has keys of its own.
   * 1 to 64 printable ASCII characters without space.
   *
   * @defaultValue `default`
   */
  readonly domain?: string | undefined
  /**
   * `local` wraps DEKs under a KEK that this process holds: reading costs one provider call per KEK.
   * `provider` has the KMS or HSM wrap every DEK, so that no KEK ever enters the process: one call
   * per record written and per record read that is not cached. Index keys are in memory either way.
   *
   * @defaultValue `local`
   */
  readonly wrapping?: 'local' | 'provider' | undefined
  /** Limits of DEKs that a provider wraps itself. Without effect on `local` keys. */
  readonly deks?: DekOptions | undefined
  /** Receives what happens to keys; `…-integrity` and `key-store-rollback` deserve an alarm. */
  readonly onEvent?: KeyEventHandler | undefined
  /** How long unlocked keys and the state of the key store are believed. */
  readonly cache?: KeyringCacheOptions | undefined
  /** How long calls of providers may take. */
  readonly calls?: KeyringCallOptions | undefined
}

/** Times in milliseconds. */
export interface KeyringCallOptions {
  /**
   * After this, one attempt of a call is given up, whether or not the provider takes notice.
   *
   * @defaultValue 2,000; at most `deadlineMs`
   */
  readonly timeoutMs?: number | undefined
  /**
   * All attempts of a call, and the pauses between them: temporary failures are retried within it.
   *
   * @defaultValue 10,000; at most 120,000
   */
  readonly deadlineMs?: number | undefined
}

/** Times in milliseconds. */
export interface KeyringCacheOptions {
  /**
   * How often, at most, the key store is asked whether it changed: the time within which a rotation
   * or a disabled key of another process is seen. 0 asks at every use.
   *
   * @defaultValue 5,000; at most 60,000
   */
  readonly epochPollMs?: number | undefined
  /**
   * After this, the next use of a key asks its provider again in the background.
   *
   * @defaultValue 300,000; at most `hardTtlMs`
   */
  readonly softTtlMs?: number | undefined
  /**
   * After this, a key is unusable until its provider has opened it again.
   *
   * @defaultValue 3,600,000; at most 86,400,000
   */
  readonly hardTtlMs?: number | undefined
}

const MAX_DOMAIN_LENGTH = 64
const DEFAULT_TIMES = { epochPollMs: 5_000, softTtlMs: 300_000, hardTtlMs: 3_600_000 }
const MAX_EPOCH_POLL_MS = 60_000
const MAX_HARD_TTL_MS = 86_400_000
const DEFAULT_CALLS = { timeoutMs: 2_000, deadlineMs: 10_000 }
const MAX_DEADLINE_MS = 120_000

/** The configuration with its defaults, or ERR_CONFIG naming the option. */
export function checkKeyringOptions(options: KeyringOptions): KeyringConfig {
  const { store, domain = 'default', onEvent, wrapping = 'local' } = options
  if (wrapping !== 'local' && wrapping !== 'provider') {
    throw new MortiseError('ERR_CONFIG', "wrapping must be 'local' or 'provider'")
  }
  if (typeof domain !== 'string') throw new MortiseError('ERR_CONFIG', 'domain must be text')
  if (onEvent !== undefined && typeof onEvent !== 'function') {
    throw new MortiseError('ERR_CONFIG', 'onEvent must be a function')
  }
  if (store !== undefined && typeof store?.loadKeys !== 'function') {
    throw new MortiseError(
      'ERR_CONFIG',
      'store must be a key store: memoryKeyStore(), fileKeyStore(path), postgresKeyStore(pool)',
    )
  }
  return {
    domain: checkIdentifier(domain, 'domain', MAX_DOMAIN_LENGTH),
    providers: checkProviders(options.providers),
    store,
    wrapping,
    times: checkTimes(options.cache),
    calls: checkCalls(options.calls),
    deks: checkDekOptions(options.deks),
    emit: eventEmitter(onEvent),
  }
}

function checkProviders(providers: unknown): KeyringConfig['providers'] {
  const list: unknown[] = Array.isArray(providers) ? [...providers] : []
  if (list.length === 0 || list.length > MAX_PROVIDERS || !list.every(isProvider)) {
    throw new MortiseError(
      'ERR_CONFIG',
      `providers must list 1 to ${MAX_PROVIDERS} key providers, for example [inAppKeyProvider({ name, secret })]`,
    )
  }
  const [first, ...others] = list as [KeyProvider, ...KeyProvider[]]
  const uris = list.map((provider) => (provider as KeyProvider).uri)
  const twice = uris.find((uri, index) => uris.indexOf(uri) !== index)
  if (twice === undefined) return [first, ...others]
  throw new MortiseError(
    'ERR_CONFIG',
    `providers lists ${twice} twice; give each provider its own name`,
  )
}

function isProvider(value: unknown): boolean {
  const { uri, wrapKey, unwrapKey } = (value ?? {}) as Partial<KeyProvider>
  const functions = typeof wrapKey === 'function' && typeof unwrapKey === 'function'
  return functions && isProviderUri(uri)
}

function checkTimes(cache: KeyringOptions['cache']): KeyringConfig['times'] {
  const { epochPollMs, softTtlMs, hardTtlMs } = { ...DEFAULT_TIMES, ...given(cache) }
  checkTime('cache.epochPollMs', epochPollMs, 0, MAX_EPOCH_POLL_MS)
  checkTime('cache.hardTtlMs', hardTtlMs, 1, MAX_HARD_TTL_MS)
  checkTime('cache.softTtlMs', softTtlMs, 1, hardTtlMs)
  return { epochPollMs, softTtlMs, hardTtlMs }
}

function checkCalls(calls: KeyringOptions['calls']): KeyringConfig['calls'] {
  const { timeoutMs, deadlineMs } = { ...DEFAULT_CALLS, ...given(calls) }
  checkTime('calls.deadlineMs', deadlineMs, 1, MAX_DEADLINE_MS)
  checkTime('calls.timeoutMs', timeoutMs, 1, deadlineMs)
  return { timeoutMs, deadlineMs }
}

/** An option that is present but undefined keeps its default. */
function given<T extends object>(times: T | undefined): { [K in keyof T]?: number } {
  const entries = Object.entries(times ?? {}).filter(([, ms]) => ms !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: number }
}

function checkTime(option: string, ms: unknown, min: number, max: number): void {
  if (typeof ms === 'number' && ms >= min && ms <= max) return
  throw new MortiseError('ERR_CONFIG', `${option} must be ${min} to ${max} milliseconds`)
}
