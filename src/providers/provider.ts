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

/**
 * Where root keys live: an in-app secret, a KMS or an HSM. Two functions and a name.
 *
 * A provider throws `MortiseError` with `ERR_KEY_INTEGRITY` when a wrap does not authenticate, and
 * `ERR_KEY_PROVIDER` (with `retryable`) when it could not be asked. The difference matters: only an
 * unavailable provider may be passed over for the next wrap.
 */
export interface KeyProvider {
  /** `in-app:NAME`, `aws-kms:ARN`, `pkcs11:token=…;object=…`; stored beside each wrap, never a secret. */
  readonly uri: string
  /**
   * Wraps 32 key bytes, bound to `context`.
   *
   * @returns the provider's own blob, 1 to 1024 bytes
   */
  wrapKey(key: Uint8Array, context: KeyContext): Promise<Uint8Array>
  /**
   * Unwraps what {@link KeyProvider.wrapKey} returned, under an equal context.
   *
   * @returns exactly 32 bytes, which the caller owns and zeroes
   */
  unwrapKey(wrapped: Uint8Array, context: KeyContext): Promise<Uint8Array>
  /** Releases what the provider opened itself; never an injected client. */
  close?(): Promise<void>
}
