import type { KeyPurpose } from '../providers/provider'
import type { HistoryLink, HistoryText } from './history'

/** active -> decrypt-only -> disabled (reversible) -> destroyed. One active key per domain and purpose. */
export type KeyState = 'active' | 'decrypt-only' | 'disabled' | 'destroyed'

/** One wrap of a KEK by one provider. */
export interface KeyWrap {
  readonly providerUri: string
  readonly wrapped: Uint8Array
  readonly createdAt: Date
}

/**
 * A KEK as the store holds it: identity, state, check value, and 0..8 wraps; never key bytes.
 *
 * A `data` key of the provider-wrapped mode has no key material at all: its check value is empty, and
 * its one wrap is empty too and only names the provider that wraps the DEKs.
 */
export interface KeyRecord {
  /** 16 hex digits of 8 random bytes. */
  readonly id: string
  readonly domain: string
  readonly purpose: KeyPurpose
  readonly version: number
  readonly state: KeyState
  /** 32 bytes; proves that all wraps hold the same key. Empty for a key without material. */
  readonly kcv: Uint8Array
  readonly createdAt: Date
  readonly stateChangedAt: Date
  /** The domain's epoch at which this row last changed. */
  readonly epoch: number
  readonly wraps: readonly KeyWrap[]
}

/** What one generation of a field's (or group's) index was made with. */
export interface IndexRecord {
  readonly domain: string
  readonly kind: 'field' | 'group' | 'subject'
  /** The field id, the group's name, or empty for the domain's subjects. */
  readonly name: string
  /** 1..255. */
  readonly generation: number
  /** The index KEK that its tokens derive from; `null` without an exact index of its own. */
  readonly indexKeyId: string | null
  /** `""` or for example `email@1`; `null` without an exact index. */
  readonly normaliser: string | null
  /** 8..128; `null` without an exact index. */
  readonly bits: number | null
  /** Canonical text of the range parameters; `null` without a range index. */
  readonly range: string | null
  /** The group whose key this field's tokens use; `null` where the field has its own. */
  readonly group: string | null
  readonly state: IndexState
}

/**
 * `active`, or how far a `reindex` to this generation is. Of each name at most two records exist, and
 * where there are two, one is `active` and the other is not.
 *
 * @see docs/how-to/change-an-index.md
 */
export type IndexState = (typeof INDEX_STATES)[number]

/** In the order in which a generation goes through them. */
export const INDEX_STATES = [
  'required',
  'written',
  'filled',
  'asked',
  'left',
  'copied',
  'settled',
  'released',
  'emptied',
  'active',
] as const

/** The key of one data subject, wrapped by a `data` KEK of its domain. */
export interface SubjectKeyRecord {
  /** 16 hex digits of 8 random bytes. */
  readonly id: string
  readonly domain: string
  /** 17 bytes: the 128-bit token of the subject's id. Unique in its domain. */
  readonly subjectRef: Uint8Array
  /** The KEK that wraps it. */
  readonly kekId: string
  /** 40 bytes. */
  readonly wrapped: Uint8Array
  readonly createdAt: Date
}

/** That a key was destroyed on purpose: kept for ever, and for subject keys replayed after a restore. */
export interface Tombstone {
  /** The id of the key that was destroyed. */
  readonly id: string
  readonly domain: string
  readonly destroyedAt: Date
  /** Who asked for it, in the application's words; empty where it did not say. */
  readonly actor: string
  /** Why, in the application's words; empty where it did not say. */
  readonly reason: string
}

/** Runs one SQL statement on a connection that the caller holds. */
export type Query = (
  sql: string,
  parameters: readonly unknown[],
) => Promise<Record<string, unknown>[]>

/**
 * The connection of the statement that needs a key. Reading on it sees what the statement sees and
 * never waits for a second connection of the pool.
 */
export interface Session {
  readonly query: Query
  /** Inside a transaction: what was written may be rolled back, what is read may be a snapshot. */
  readonly inTransaction: boolean
}

/** A rotation as one atomic step: the new active key, and the one it replaces. */
export interface KeyInsertion {
  readonly key: KeyRecord
  /** Set to `decrypt-only` in the same transaction; `null` for the first key of its purpose. */
  readonly demote: string | null
}

/**
 * Where wrapped keys live. Its content is untrusted input: the keyring checks every wrap, check
 * value, version and epoch that it reads.
 *
 * Reads take an optional session and use it where the store lives in that database; stores that do
 * not (memory, file) ignore it. Writes never join the caller's transaction, except where only one
 * connection exists.
 */
export interface KeyStore {
  /**
   * True where only one connection exists, so that writes run on the caller's session and a rolled
   * back transaction takes them along. The keyring then keeps nothing that it read in a transaction.
   */
  readonly writesOnSession?: boolean
  /**
   * All keys of a domain with their wraps, and the domain's epoch (0 for an empty one). A key that has
   * a tombstone is `destroyed` and has no wraps, even if a restored backup brought it back.
   */
  loadKeys(domain: string, session?: Session): Promise<{ epoch: number; keys: KeyRecord[] }>
  /** The domain's epoch alone: the cheap question of the staleness poll. */
  loadEpoch(domain: string, session?: Session): Promise<number>
  /**
   * Adds a key and demotes its predecessor, atomically, raising the domain's epoch. The stored
   * `epoch` is the store's, not the record's.
   *
   * @returns false where another writer was first: the version does not follow the highest one, or
   * `demote` is not the active key. Nothing was changed.
   */
  insertKey(insertion: KeyInsertion, session?: Session): Promise<boolean>
  /**
   * Changes a key's state if it is still `from`, raising the domain's epoch.
   *
   * @returns false where the key was not in state `from`
   */
  changeState(id: string, from: KeyState, to: KeyState, session?: Session): Promise<boolean>
  /**
   * Destroys a key that is still in that state and has these wraps: it becomes `destroyed`, its wraps
   * go, and a tombstone stays, in one transaction that raises the domain's epoch.
   *
   * @returns false where the key is another one by now: nothing was changed
   */
  destroyKey(
    key: Pick<KeyRecord, 'id' | 'state' | 'wraps'>,
    tombstone: Tombstone,
    session?: Session,
  ): Promise<boolean>
  /**
   * Replaces the wraps of a key, if they are still those of `key`, raising the domain's epoch.
   *
   * @returns false where they are no longer the same set of provider and blob: nothing was changed
   */
  replaceWraps(
    key: Pick<KeyRecord, 'id' | 'wraps'>,
    wraps: readonly KeyWrap[],
    session?: Session,
  ): Promise<boolean>
  /**
   * Subject keys by subject_ref or by id, and the tombstones of asked ids, with one question. A key
   * that has a tombstone is never returned, even if a restored backup brought it back.
   *
   * @returns also the domain's epoch that was read along: a session may show an older state
   */
  loadSubjectKeys(
    domain: string,
    wanted: { readonly refs: readonly Uint8Array[]; readonly ids: readonly string[] },
    session?: Session,
  ): Promise<{ epoch: number; keys: SubjectKeyRecord[]; tombstones: Tombstone[] }>
  /**
   * Adds subject keys. A (domain, subject_ref) that exists already is left as it is, unless its key has
   * a tombstone: what a restored backup brought back does not stand in the way of a new one.
   */
  insertSubjectKeys(records: readonly SubjectKeyRecord[], session?: Session): Promise<void>
  /**
   * Up to `limit` subject keys of a domain in the order of their ids, for jobs; none with a tombstone.
   *
   * @param notUnder - leaves out those that this KEK wraps
   * @param after - the last id of the page before, or null
   */
  pageSubjectKeys(
    domain: string,
    page: {
      readonly notUnder: string | null
      readonly after: string | null
      readonly limit: number
    },
  ): Promise<SubjectKeyRecord[]>
  /**
   * Puts subject keys under another KEK; one whose wrap is no longer `wrapped` is left as it is.
   *
   * @returns the number that were changed
   */
  rewrapSubjectKeys(
    changes: readonly {
      readonly id: string
      readonly wrapped: Uint8Array
      readonly next: Pick<SubjectKeyRecord, 'kekId' | 'wrapped'>
    }[],
  ): Promise<number>
  /** How many subject keys each KEK of a domain wraps, without those that have a tombstone. */
  countSubjectKeys(domain: string): Promise<{ kekId: string; count: number }[]>
  /**
   * Destroys subject keys and keeps their tombstones, in one transaction, raising the epoch of each
   * domain. Ids without a key get a tombstone as well; one that exists is left as it is.
   */
  destroySubjectKeys(tombstones: readonly Tombstone[]): Promise<void>
  /** All tombstones of a domain, to carry over to a restored key store. */
  loadTombstones(domain: string): Promise<Tombstone[]>
  /**
   * Adds a record to the end of a domain's history, one writer at a time. One whose id is there
   * already is left as it is. The domain's epoch stays.
   *
   * @returns the record in its place, new or old
   */
  appendHistory(domain: string, text: HistoryText): Promise<HistoryLink>
  /**
   * Records of a domain's history in the order of their numbers, as they are stored.
   *
   * @param page - begins behind the number `after`; 0 for the first page
   */
  loadHistory(
    domain: string,
    page: { readonly after: number; readonly limit: number },
  ): Promise<HistoryLink[]>
  /** All index records of a domain. */
  loadIndexes(domain: string, session?: Session): Promise<IndexRecord[]>
  /**
   * Adds index records, raising the epoch of their domain where one is new; one that exists already
   * (domain, kind, name, generation) is left as it is.
   */
  insertIndexes(records: readonly IndexRecord[], session?: Session): Promise<void>
  /**
   * Replaces one index record that still equals `previous` and has the same key (domain, kind, name,
   * generation), raising the domain's epoch.
   *
   * @returns false where it no longer equals `previous`: nothing was changed
   */
  replaceIndex(previous: IndexRecord, next: IndexRecord, session?: Session): Promise<boolean>
  /**
   * Removes one generation of an index that still equals `record`, raising its domain's epoch. The last
   * one of a name is never removed.
   *
   * @returns false where it no longer equals `record`, or is the last one: nothing was changed
   */
  removeIndex(record: IndexRecord, session?: Session): Promise<boolean>
  /** Makes the tables (or the file) where they do not exist. */
  createTables?(): Promise<void>
  close?(): Promise<void>
}
