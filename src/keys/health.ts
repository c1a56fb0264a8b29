import { type NativeStatus, nativeStatus } from '../crypto/native'
import { isMortiseError, type ProviderFailure } from '../errors'
import type { KeyRecord, KeyState } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'
import type { BreakerState } from './breaker'
import type { GuardedProvider } from './guarded-provider'
import { isUsable } from './key-use'
import type { KeyringParts } from './keyring-parts'
import { failureOf } from './provider-failure'
import { isProviderKey } from './provider-keys'

/** What `keyring.health()` found; free of secrets, and of the text of errors of unknown origin. */
export interface KeyringHealth {
  /** Every provider and the key store answered, and every usable key has a configured provider. */
  readonly ok: boolean
  /** In the order of configuration. */
  readonly providers: readonly ProviderHealth[]
  readonly store: StoreHealth
  /** As the store holds them now; empty where it could not be read. */
  readonly keys: readonly KeyHealth[]
  /** Of this process; `ok` does not depend on it. */
  readonly native: NativeStatus
}

/** One provider, asked to wrap and unwrap a key that was made for it. */
export interface ProviderHealth {
  readonly uri: string
  readonly ok: boolean
  /** Of the answer or the failure, in milliseconds. */
  readonly latencyMs: number
  /** `null` where it is well, and for an error of no known class. */
  readonly failure: ProviderFailure | null
  /** Why it is not well, and what to do; `null` where it is. */
  readonly message: string | null
  /** `open`: it failed several times in a row and is left alone for some seconds. */
  readonly breaker: BreakerState
}

/** The key store, read now. */
export interface StoreHealth {
  readonly ok: boolean
  /** Counts the changes of the domain's keys; `null` where the store could not be read. */
  readonly epoch: number | null
  /** Why it could not be read; `null` where it could. */
  readonly message: string | null
}

/** One key. */
export interface KeyHealth {
  /** 16 hex digits. */
  readonly id: string
  readonly purpose: KeyPurpose
  readonly version: number
  readonly state: KeyState
  /** Whether it is unlocked in this process. */
  readonly cached: boolean
  /** URIs of the providers that wrap it. */
  readonly wraps: readonly string[]
  /** URIs of configured providers that do not wrap it; `addProvider` makes them. */
  readonly missing: readonly string[]
}

/** Asks every provider and the store, all at once; see `Keyring.health`. */
export async function keyringHealth(parts: KeyringParts): Promise<KeyringHealth> {
  const { members } = parts.providers
  const [store, ...providers] = await Promise.all([
    readStore(parts),
    ...members.map((member) => providerHealth(member, parts.config.domain)),
  ])
  parts.closing.check()
  const uris = members.map(({ uri }) => uri)
  const keys = store.keys.map((record) => keyHealth(record, uris, parts))
  const opened = store.keys.filter(isUsable).every(({ wraps }) => {
    return wraps.some(({ providerUri }) => uris.includes(providerUri))
  })
  const ok = opened && store.health.ok && providers.every((provider) => provider.ok)
  return { ok, providers, store: store.health, keys, native: nativeStatus() }
}

async function providerHealth(member: GuardedProvider, domain: string): Promise<ProviderHealth> {
  const begunAt = performance.now()
  const error: unknown = await member.prove(domain).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const ok = error === undefined
  return {
    uri: member.uri,
    ok,
    latencyMs: performance.now() - begunAt,
    failure: failureOf(error),
    message: ok ? null : messageOf(error, 'failed'),
    breaker: member.breaker,
  }
}

async function readStore({
  snapshot,
}: KeyringParts): Promise<{ health: StoreHealth; keys: readonly KeyRecord[] }> {
  try {
    const { epoch, keys } = await snapshot.reload()
    return { health: { ok: true, epoch, message: null }, keys: [...keys.values()] }
  } catch (error) {
    const message = messageOf(error, 'the key store failed with an error of its own')
    return { health: { ok: false, epoch: null, message }, keys: [] }
  }
}

function keyHealth(record: KeyRecord, uris: readonly string[], parts: KeyringParts): KeyHealth {
  const { id, purpose, version, state } = record
  const wraps = record.wraps.map(({ providerUri }) => providerUri)
  const missing = isProviderKey(record) ? [] : uris.filter((uri) => !wraps.includes(uri))
  const cached = parts.cache.holds(record)
  return { id, purpose, version, state, cached, wraps, missing }
}

/** Only messages of our own are known to hold no secret. */
function messageOf(error: unknown, otherwise: string): string {
  return isMortiseError(error) ? error.message : otherwise
}
