import type { SecretKey } from '../crypto/secret-key'
import type { KeyStore, Session } from '../key-store/store'

/**
 * An unlocked `data` KEK, reduced to the one derived key that wraps DEKs. The KEK itself is gone.
 *
 * @see docs/format.md "Keys": DEK wrap = KW(KDF(KEK, "mortise/1/dek-wrap", domain, "data", key id), DEK)
 */
export interface DataKey {
  /** 16 hex digits. */
  readonly id: string
  /** The same id as 8 bytes, for envelopes. */
  readonly idBytes: Buffer
  readonly domain: string
  readonly version: number
  readonly dekWrapKey: SecretKey
}

/** Which tokens a key is for; equal names give comparable tokens. */
export interface IndexName {
  readonly kind: 'field' | 'group'
  /** The field id, or the group's name. */
  readonly name: string
}

/** The key of one field's (or group's) exact tokens. */
export interface TokenKey {
  readonly key: SecretKey
  /** First byte of every token. */
  readonly generation: number
  readonly bits: number
}

/** What a field declares about its indexes; compared with the key store before first use. */
export interface IndexDeclaration {
  readonly fieldId: string
  /** `null` without an exact index. */
  readonly exact: {
    readonly normaliser: string
    readonly bits: number
    readonly group: string | null
  } | null
  /** Canonical text of the range parameters; `null` without a range index. */
  readonly range: string | null
}

/**
 * What the layers above the keyring may do with keys. Kept apart from the public {@link Keyring} so
 * that application code cannot reach an unlocked key by accident.
 */
export interface KeyAccess {
  readonly domain: string
  /**
   * Gives a keyring that was made without a store the one of its DataSource.
   *
   * @param owner - whose store it is; the same owner may attach again
   * @throws ERR_CONFIG where the keyring already uses another owner's store
   */
  attachStore(owner: object, create: () => KeyStore): void
  /** Loads all keys of the domain and creates the first KEK of each purpose where none exists. */
  ready(session?: Session): Promise<void>
  /** The active `data` key: the highest version, refreshed within the staleness bound. */
  sealingKey(session?: Session): Promise<DataKey>
  /**
   * An opening key that is in memory now, without any I/O; undefined where it must be fetched, also
   * because the staleness bound has passed. A page keeps the keys that it was given until it is done.
   */
  loadedOpeningKey(id: string): DataKey | undefined
  /**
   * Opening keys by id, fetching all unknown ones with one store query and one unwrap per key.
   *
   * @throws ERR_KEY_NOT_FOUND for an unknown id, another domain or another purpose
   * @throws ERR_KEY_STATE for a disabled or destroyed key
   */
  openingKeys(ids: Iterable<string>, session?: Session): Promise<ReadonlyMap<string, DataKey>>
  /**
   * Compares declarations with the store's index records and registers new ones.
   *
   * @throws ERR_INDEX_CHANGED where a declaration differs from what the rows were indexed with
   */
  declareIndexes(declarations: readonly IndexDeclaration[], session?: Session): Promise<void>
  /**
   * Replaces what a field is registered with. Only for a column that was shown to hold no value yet:
   * rows that exist would silently be missed by every later query.
   *
   * @throws ERR_INDEX_CHANGED where the field's group disagrees, or another process was first
   */
  redeclareIndex(declaration: IndexDeclaration, session?: Session): Promise<void>
  /** Field ids the store remembers for this domain: a declared one that vanishes was renamed. */
  knownFieldIds(session?: Session): Promise<string[]>
  /** The token key of a declared field or group. */
  tokenKey(name: IndexName, session?: Session): Promise<TokenKey>
}
