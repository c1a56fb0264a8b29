/**
 * Identifies the key that is being wrapped. Every provider binds all of it into the wrap, so that a
 * wrap copied to another key, domain, purpose or version does not open.
 *
 * @see docs/format.md "Keys": C = (use, domain, purpose, id, u32(version))
 */
export interface KeyContext {
  /** `kek` for a key-encrypting key, `dek` for a data key wrapped by the provider itself. */
  readonly use: 'kek' | 'dek'
  readonly domain: string
  readonly purpose: KeyPurpose
  /** 16 hex digits. */
  readonly id: string
  /** Counts from 1. */
  readonly version: number
}

/** `data` keys wrap DEKs; `index` keys derive token keys. Neither is ever derived from the other. */
export type KeyPurpose = 'data' | 'index'

/** Longest blob that a provider may return: it is stored beside others, and in envelopes. */
export const MAX_WRAPPED_BYTES = 1024

/** What every call of a provider may be given. */
export interface ProviderCallOptions {
  /**
   * Aborts when the caller no longer waits. A provider that can stop its I/O does so; the keyring
   * gives up on the others by itself.
   */
  readonly signal?: AbortSignal | undefined
}

/**
 * Where root keys live: an in-app secret, a KMS or an HSM. Two functions and a name; a function that
 * returns an object literal is enough.
 *
 * A provider makes one attempt per call and does not retry: the keyring does, inside one deadline. It
 * throws `MortiseError`:
 * - `ERR_KEY_INTEGRITY`, with `failure: 'integrity'`, when a wrap does not authenticate
 * - `ERR_KEY_PROVIDER` when it could not or would not answer, with `failure`: `transient` (may pass
 *   by itself), `session` (its session is lost and could not be made again), `state` (the key is
 *   disabled, gone or of another kind) or `access` (it refuses the caller)
 *
 * Messages name the provider's URI and what to do; never key bytes, a PIN or a secret. Any other
 * error counts as one that will not pass.
 *
 * @see docs/how-to/write-a-provider.md
 */
export interface KeyProvider {
  /**
   * `in-app:NAME`, `aws-kms:ARN`, `pkcs11:token=…;object=…`: printable ASCII without space, stored
   * beside each wrap, never a secret. Final once {@link KeyProvider.open} has resolved.
   */
  readonly uri: string
  /**
   * Resolves what `uri` depends on, such as an alias. Awaited before the first use, and again after
   * it failed; what it did once it need not do again.
   */
  open?(options?: ProviderCallOptions): Promise<void>
  /**
   * Wraps 32 key bytes, bound to `context`.
   *
   * @returns the provider's own blob, 1 to 1024 bytes
   */
  wrapKey(key: Uint8Array, context: KeyContext, options?: ProviderCallOptions): Promise<Uint8Array>
  /**
   * Unwraps what {@link KeyProvider.wrapKey} returned, under an equal context.
   *
   * @returns exactly 32 bytes, which the caller owns and zeroes
   */
  unwrapKey(
    wrapped: Uint8Array,
    context: KeyContext,
    options?: ProviderCallOptions,
  ): Promise<Uint8Array>
  /**
   * Wraps again, under this provider's present root key, what `sourceUri` wrapped, without the key
   * leaving the provider's service. Left out where there is no such call.
   *
   * @param sourceUri - the provider that made `wrapped`; may be this one, whose root was rotated
   * @returns the new blob, or `null` where it cannot do so for that source: the keyring then unwraps
   * with the one and wraps with the other
   */
  rewrapKey?(
    wrapped: Uint8Array,
    context: KeyContext,
    sourceUri: string,
    options?: ProviderCallOptions,
  ): Promise<Uint8Array | null>
  /** Releases what the provider opened itself; never an injected client. */
  close?(): Promise<void>
}
