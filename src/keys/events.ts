import type { ProviderFailure } from '../errors'
import type { KeyState } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'

/**
 * What a keyring reports to `onEvent`: a closed union, free of key bytes and of data.
 *
 * `key-integrity`, `subject-key-integrity` and `key-store-rollback` are security events; the others
 * are for operation.
 */
export type KeyEvent = KeyChangeEvent | KeyCacheEvent | ProviderEvent | KeyStoreEvent

/** What happened to a key itself, whoever uses it. */
export type KeyChangeEvent =
  /** A new KEK was wrapped, checked and committed; `previousKeyId` was active before it, if any. */
  | (KeyEventKey & { readonly type: 'key-created'; readonly previousKeyId: string | null })
  /** This keyring changed the state of a key. */
  | (KeyEventKey & {
      readonly type: 'key-state-changed'
      readonly from: KeyState
      readonly to: KeyState
    })
  /** A new key could not be wrapped by a provider that wraps the one before; `addProvider` does it. */
  | (KeyEventKey & { readonly type: 'wrap-missing'; readonly providerUri: string })
  /** This keyring changed who can open a key; `providerUris` is everybody who can now. */
  | (KeyEventKey & {
      readonly type: 'key-wraps-changed'
      readonly providerUris: readonly string[]
    })
  /** A wrap or check value does not belong to its key: the key is closed. */
  | (KeyEventKey & { readonly type: 'key-integrity'; readonly providerUri: string })
  /** The key of a data subject does not open with the KEK that it names: its values stay closed. */
  | {
      readonly type: 'subject-key-integrity'
      readonly domain: string
      /** 16 hex digits: what the subject's envelopes name. */
      readonly subjectKeyId: string
      /** The KEK, 16 hex digits. */
      readonly keyId: string
    }

/** How unlocked keys come into memory, serve, and leave it. */
export type KeyCacheEvent =
  /** A provider unwrapped a KEK, which is in memory now. */
  | (KeyEventKey & { readonly type: 'key-unlocked'; readonly providerUri: string })
  /** No provider had answered for 250 ms, so the one behind the next wrap is asked as well. */
  | (KeyEventKey & { readonly type: 'key-hedged'; readonly providerUri: string })
  /** A key was used from memory: once for each look-up, so as often as statements run. */
  | (KeyEventKey & { readonly type: 'key-cache-hit' })
  /** A key in memory was opened anew in the background: its times begin again. */
  | (KeyEventKey & { readonly type: 'key-refreshed' })
  /** A key in memory serves on although it could not be opened anew: once for each failed refresh. */
  | (KeyEventKey & {
      readonly type: 'key-stale-used'
      /** Milliseconds since a provider opened it. */
      readonly ageMs: number
    })
  /** A key left memory. */
  | (KeyEventKey & { readonly type: 'key-evicted'; readonly reason: KeyEvictionReason })

/**
 * Why a key left memory: its providers refuse it for now (`state`, `access`), its wrap is wrong
 * (`integrity`), a provider failed for no known reason (`error`), its hard TTL is over (`expired`), the
 * key store disabled, removed or changed it (`store`), or newer keys needed the room (`room`).
 */
export type KeyEvictionReason =
  | Exclude<ProviderFailure, 'transient' | 'session'>
  | 'error'
  | 'expired'
  | 'store'
  | 'room'

/** What calls of providers came to. */
export type ProviderEvent =
  /** One attempt of one call. */
  | {
      readonly type: 'provider-call'
      readonly providerUri: string
      /** `canary` is the proof that `keyring.health()` asks for. */
      readonly operation: 'open' | 'wrap' | 'unwrap' | 'rewrap' | 'canary'
      /** 16 hex digits; `null` for `open`. */
      readonly keyId: string | null
      /** Counts from 1; a higher one is a retry. */
      readonly attempt: number
      readonly durationMs: number
      /** `error`: of no known class. `abandoned`: another provider was faster, or the keyring closed. */
      readonly outcome: 'ok' | ProviderFailure | 'error' | 'abandoned'
    }
  /** The breaker of a provider opened, lets one call through to see (`half-open`), or closed. */
  | {
      readonly type: 'provider-breaker'
      readonly providerUri: string
      readonly state: 'closed' | 'open' | 'half-open'
    }
  /** A provider did not open a key, after all retries; the key's next wrap is asked, if it has one. */
  | (KeyEventKey & {
      readonly type: 'provider-unavailable'
      readonly providerUri: string
      /** `null` for an error of no known class. */
      readonly failure: ProviderFailure | null
      readonly retryable: boolean
    })

/** What the key store shows. */
export type KeyStoreEvent =
  /** The key store changed since this process last looked. */
  | {
      readonly type: 'epoch-changed'
      readonly domain: string
      readonly epoch: number
      readonly previousEpoch: number
    }
  /** The key store shows less than this process has already seen. */
  | {
      readonly type: 'key-store-rollback'
      readonly domain: string
      readonly epoch: number
      readonly seenEpoch: number
    }

/** The key that an event is about. */
export interface KeyEventKey {
  readonly domain: string
  readonly purpose: KeyPurpose
  /** 16 hex digits. */
  readonly keyId: string
  readonly version: number
}

/** Receives events synchronously; what it throws or rejects with is ignored. */
export type KeyEventHandler = (event: KeyEvent) => void

/** An emitter that no handler can break: key handling never depends on somebody's logging. */
export function eventEmitter(handler: KeyEventHandler | undefined): KeyEventHandler {
  if (handler === undefined) return ignoreEvent
  return (event) => {
    try {
      const result: unknown = handler(event)
      if (isThenable(result)) result.then(undefined, () => {})
    } catch {
      // See above.
    }
  }
}

/** The emitter of a keyring without handler: what is reported often asks for it first. */
export function ignoreEvent(_event: KeyEvent): void {}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** The members that every event about a key has. */
export function eventKey(key: {
  readonly id: string
  readonly domain: string
  readonly purpose: KeyPurpose
  readonly version: number
}): KeyEventKey {
  return { domain: key.domain, purpose: key.purpose, keyId: key.id, version: key.version }
}
