import type { KeyState } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'

/**
 * What a keyring reports to `onEvent`: a closed union, free of key bytes and of data.
 *
 * `key-integrity` and `key-store-rollback` are security events; the others are for operation.
 */
export type KeyEvent =
  /** A new KEK was wrapped, checked and committed; `previousKeyId` was active before it, if any. */
  | (KeyEventKey & { readonly type: 'key-created'; readonly previousKeyId: string | null })
  /** A provider unwrapped a KEK: one call of that provider. */
  | (KeyEventKey & { readonly type: 'key-unlocked'; readonly providerUri: string })
  /** A wrap or check value does not belong to its key: the key is closed. */
  | (KeyEventKey & { readonly type: 'key-integrity'; readonly providerUri: string })
  /** A provider could not be asked (`retryable`) or refused; the next wrap only follows the former. */
  | (KeyEventKey & {
      readonly type: 'provider-unavailable'
      readonly providerUri: string
      readonly retryable: boolean
    })
  /** A new key could not be wrapped by a provider that wraps the one before; `addProvider` does it. */
  | (KeyEventKey & { readonly type: 'wrap-missing'; readonly providerUri: string })
  /** This keyring changed who can open a key; `providerUris` is everybody who can now. */
  | (KeyEventKey & {
      readonly type: 'key-wraps-changed'
      readonly providerUris: readonly string[]
    })
  /** This keyring changed the state of a key. */
  | (KeyEventKey & {
      readonly type: 'key-state-changed'
      readonly from: KeyState
      readonly to: KeyState
    })
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
  return (event) => {
    try {
      const result: unknown = handler?.(event)
      if (isThenable(result)) result.then(undefined, () => {})
    } catch {
      // See above.
    }
  }
}

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
