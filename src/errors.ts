/**
 * Every cause has one code, and the set is closed: a `switch` over it can be exhaustive.
 *
 * Codes never change meaning between releases; new causes get new codes.
 */
export type MortiseErrorCode =
  /** An option, environment variable or declaration is wrong; raised at construction or start-up. */
  | 'ERR_CONFIG'
  /** A declaration cannot be encrypted as written (primary key, default, embedded clash, …). */
  | 'ERR_FIELD_INVALID'
  /** A field id that the key store remembers is gone while its column still exists. */
  | 'ERR_FIELD_RENAMED'
  /** The declared index leaks almost everything and no `acceptLeakage` reason was given. */
  | 'ERR_LEAKAGE_NOT_ACCEPTED'
  /** An index declaration differs from the one the stored rows were indexed with. */
  | 'ERR_INDEX_CHANGED'
  /** An opened value contradicts the index column that found it: tampering or corruption. */
  | 'ERR_INDEX_MISMATCH'
  /** A declared state of an adoption is ahead of what the database records, or behind what it allows. */
  | 'ERR_ADOPTION'
  /** A schema change would drop a column that still holds plaintext. */
  | 'ERR_WOULD_DROP_PLAINTEXT'
  /** An encrypted entity is used through a DataSource without `withEncryption`. */
  | 'ERR_NOT_INSTALLED'
  /** The condition, order or call cannot be answered correctly on an encrypted property. */
  | 'ERR_QUERY_UNSUPPORTED'
  /** A query would open more rows than `maxRefine` allows. */
  | 'ERR_REFINE_LIMIT'
  /** The row behind a statement is not known, and the field needs it. */
  | 'ERR_ROW_UNKNOWN'
  /** A value does not fit the declared type of its field. */
  | 'ERR_VALUE_INVALID'
  /** A value that must be unique is another row's as well. */
  | 'ERR_NOT_UNIQUE'
  /** A constraint of the database refuses every change of the row. */
  | 'ERR_ROW_REFUSED'
  /** A value is longer than the format allows. */
  | 'ERR_VALUE_TOO_LARGE'
  /** Not an envelope: wrong magic, flags that cannot be, or a wrong length. */
  | 'ERR_ENVELOPE_MALFORMED'
  /** An envelope of a format version that this release does not know. */
  | 'ERR_ENVELOPE_VERSION'
  /** The envelope's flags differ from what the field declares. */
  | 'ERR_ENVELOPE_FLAGS'
  /** Authentication failed. One error for every cause: wrong key, context, row or a changed bit. */
  | 'ERR_DECRYPTION_FAILED'
  /** Two values of one record share a field: sealing them would reuse a nonce. */
  | 'ERR_SEAL_REUSE'
  /** The key store has no such key for this domain and purpose. */
  | 'ERR_KEY_NOT_FOUND'
  /** The key exists but its state forbids the use (disabled, destroyed, not active). */
  | 'ERR_KEY_STATE'
  /** The key is not destroyed, because something still needs it. */
  | 'ERR_KEY_IN_USE'
  /** A stored wrap or check value does not match the key's identity: tampering or a wrong root key. */
  | 'ERR_KEY_INTEGRITY'
  /** The provider (KMS, HSM, …) could not be reached or refused. See `failure` and `retryable`. */
  | 'ERR_KEY_PROVIDER'
  /** The key store could not be read or written (missing tables, permissions, I/O). */
  | 'ERR_KEY_STORE'
  /** An operation is done, but the record of its end could not be written into the history. */
  | 'ERR_HISTORY'
  /** The key store shows an older state than this process has already seen. */
  | 'ERR_KEY_STORE_ROLLBACK'
  /** The key of the data subject was destroyed on purpose: its values are gone for good. */
  | 'ERR_SUBJECT_SHREDDED'
  /** A batch job cannot go on, because a run with other parameters took its place. */
  | 'ERR_JOB_SUPERSEDED'
  /** A batch job cannot go on, because somebody cancelled it. */
  | 'ERR_JOB_CANCELLED'
  /** The keyring has been closed. */
  | 'ERR_CLOSED'

/**
 * Why a provider did not give a key: it decides what the keyring does next.
 *
 * - `transient`: throttled, timed out, not reachable, an internal error; retried
 * - `session`: a session was lost and could not be made again; retried as `transient` is
 * - `state`: the key is disabled, pending deletion, gone, or of another kind; never retried
 * - `access`: the caller is not allowed, or its credentials or PIN are wrong; never retried
 * - `integrity`: the wrap is not what this provider made for this key; never retried, an alarm
 */
export type ProviderFailure = 'transient' | 'session' | 'state' | 'access' | 'integrity'

/** What an error carries besides its message; never plaintext, ciphertext or key bytes. */
export interface MortiseErrorDetails {
  /** `Entity.property` (or the field id, where no entity is known). */
  field?: string | undefined
  /** Whether the same call may succeed later without any change. */
  retryable?: boolean | undefined
  /** Of errors that a provider caused. */
  failure?: ProviderFailure | undefined
  /** The underlying error. Never set for decryption failures. */
  cause?: unknown
}

/**
 * The only error class that mortise throws: a stable `code`, a message that names the field or key
 * and what to do about it, and no secret in any of its properties.
 */
export class MortiseError extends Error {
  override readonly name = 'MortiseError'
  readonly code: MortiseErrorCode
  readonly field?: string
  readonly retryable: boolean
  declare readonly failure?: ProviderFailure

  constructor(code: MortiseErrorCode, message: string, details: MortiseErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retryable = details.retryable ?? false
    if (details.field !== undefined) this.field = details.field
    if (details.failure !== undefined) this.failure = details.failure
  }
}

/**
 * Tells whether `error` was thrown by mortise, also across realms and duplicate installations.
 *
 * @param error - anything caught
 * @param code - when given, the error must carry this code as well
 */
export function isMortiseError(error: unknown, code?: MortiseErrorCode): error is MortiseError {
  if (typeof error !== 'object' || error === null) return false
  const candidate = error as { name?: unknown; code?: unknown }
  return candidate.name === 'MortiseError' && (code === undefined || candidate.code === code)
}
