import type { SecretKey } from '../crypto/secret-key'
import type { KeyStore, Session } from '../key-store/store'

/**
 * An unlocked `data` KEK, reduced to the one derived key that wraps DEKs.
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

/**
 * The unlocked key of one data subject, reduced like a {@link DataKey}. Destroying it in the key store
 * shreds what it sealed.
 *
 * @see docs/format.md "Keys": subject wrap, and DEK wrap with b2
 */
export interface SubjectKey {
  /** 16 hex digits. */
  readonly id: string
  readonly idBytes: Buffer
  readonly domain: string
  /** Compared with the subject_ref of the row's subject property: step 9 of opening. */
  readonly subjectRef: Buffer
  readonly dekWrapKey: SecretKey
}

/**
 * A `data` key without key material: its provider wraps each DEK itself, one call per record.
 *
 * @see docs/format.md "Keys": DEK wrap with b3
 */
export interface ProviderKey {
  /** 16 hex digits. */
  readonly id: string
  readonly idBytes: Buffer
  readonly domain: string
  readonly version: number
  /** @returns the provider's blob, 1 to 1024 bytes */
  wrapDek(dek: Uint8Array): Promise<Uint8Array>
}

/** DEKs of one {@link ProviderKey} that its provider unwrapped ahead of a page. */
export interface ProviderDeks {
  /** 16 hex digits. */
  readonly id: string
  readonly domain: string
  /** By wrapped DEK, as latin1 text. */
  readonly deks: ReadonlyMap<string, SecretKey>
}

/** A key that may seal a record. */
export type SealingKey = DataKey | SubjectKey | ProviderKey
/** A key that opens envelopes without any I/O. */
export type OpeningKey = DataKey | SubjectKey | ProviderDeks
/** What the flags b2 and b3 of an envelope say that its key id names. */
export type KeyKind = 'data' | 'subject' | 'provider'

/** The keys that a page of envelopes needs. */
export interface KeyRequest {
  /** Ids of `data` keys. */
  readonly data: ReadonlySet<string>
  /** Ids of subject keys. */
  readonly subject: ReadonlySet<string>
  /** Wrapped DEKs by their latin1 text, by the id of the key row that names their provider. */
  readonly provider: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>
}

/** The keys of one page. Kept until the page is done, whatever the caches let go of meanwhile. */
export interface OpeningKeys {
  /**
   * @throws ERR_KEY_NOT_FOUND for an unknown id, another domain or another purpose
   * @throws ERR_KEY_STATE for a disabled or destroyed key
   * @throws ERR_SUBJECT_SHREDDED for a subject key that was destroyed
   * @throws RangeError for a key that was not asked for
   */
  keyOf(id: string, kind: KeyKind): OpeningKey
  /** When a subject key was destroyed; undefined for every other key. */
  shreddedAt(id: string): Date | undefined
}

/** Which tokens a key is for; equal names give comparable tokens. */
export interface IndexName {
  readonly kind: 'field' | 'group' | 'subject'
  /** The field id, the group's name, or empty for the domain's subjects. */
  readonly name: string
  /** Set for the generation that a `reindex` of the field makes, and after it, made. */
  readonly generation?: 'next'
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
  /** What a `reindex` is to change the index to; `null` where nothing is to change. */
  readonly next: Pick<IndexDeclaration, 'fieldId' | 'exact' | 'range'> | null
}

/**
 * Where a field's index is asked: the parameters before the change in the field's own columns, those
 * after it in the columns for the change, or those after it in the field's own columns.
 */
export type IndexFace = 'current' | 'next' | 'final'

/** What a process may do with the indexes of one field, as far as a `reindex` of it is. */
export interface IndexStage {
  /** Which generation is written into the field's own columns. */
  readonly ownColumns: 'current' | 'next'
  /** What is written into the columns for the change, which are emptied rather than left stale. */
  readonly nextColumns: 'next' | 'null'
  /** The faces that are right, the one to ask first. */
  readonly asks: readonly IndexFace[]
  readonly mayWrite: boolean
}

/**
 * What the layers above the keyring may do with keys. Kept apart from the public {@link Keyring} so
 * that application code cannot reach an unlocked key by accident.
 */
export interface KeyAccess {
  readonly domain: string
  /** With `provider`, DEKs are wrapped outside of this process, and subjects have no keys. */
  readonly wrapping: 'local' | 'provider'
  /**
   * Gives a keyring that was made without a store the one of its DataSource.
   *
   * @param owner - whose store it is; the same owner may attach again
   * @throws ERR_CONFIG where the keyring already uses another owner's store
   */
  attachStore(owner: object, create: () => KeyStore): void
  /** Says that this owner did not start: the keyring may be given to another one instead. */
  releaseStore(owner: object): void
  /** Loads all keys of the domain and creates the first KEK of each purpose where none exists. */
  ready(session?: Session): Promise<void>
  /**
   * The active `data` key: the highest version, refreshed within the staleness bound.
   *
   * @throws ERR_CONFIG where DEKs are wrapped by the provider: then no process holds such a key
   */
  sealingKey(session?: Session): Promise<DataKey>
  /**
   * A sealing key for each subject, and under `null` for records without one: all at once, with at
   * most one query for the subjects that are not in memory. Keys of new subjects are made.
   *
   * @param subjects - canonical subject ids, see `subjectId`
   * @throws ERR_CONFIG for a subject where DEKs are wrapped by the provider
   */
  sealingKeys(
    subjects: Iterable<string | null>,
    session?: Session,
  ): Promise<ReadonlyMap<string | null, SealingKey>>
  /**
   * The subject_ref of each subject, to compare with the key that a value was sealed under.
   *
   * @param subjects - canonical subject ids
   */
  subjectRefs(subjects: Iterable<string>, session?: Session): Promise<ReadonlyMap<string, Buffer>>
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
   * Everything that a page needs: one query for keys that are not in memory, one provider call per
   * KEK that is not unlocked, and in provider mode one call per DEK that is not cached.
   *
   * What is wrong with one key is thrown where that key is asked for, not here.
   */
  keysFor(request: KeyRequest, session?: Session): Promise<OpeningKeys>
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
  /**
   * What this process may do now with the indexes of a declared field, as new as the staleness bound.
   *
   * @throws ERR_INDEX_CHANGED where its declaration is not what rows are indexed with
   */
  indexStage(fieldId: string, session?: Session): Promise<IndexStage>
  /**
   * The same from memory, however old that is; undefined before the index records were first read.
   *
   * @throws ERR_INDEX_CHANGED as {@link KeyAccess.indexStage}
   */
  knownIndexStage(fieldId: string): IndexStage | undefined
  /** Field ids whose index a `reindex` is changing, read from the store now: no key is needed. */
  changingFieldIds(): Promise<ReadonlySet<string>>
  /** How old what {@link KeyAccess.knownIndexStage} knows may get, for those who keep it new: ms. */
  readonly stalenessMs: number
}
