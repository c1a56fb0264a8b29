import type { SecretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { KeyRecord, KeyStore, Session } from '../key-store/store'
import type { SubjectKey, TokenKey } from './access'
import type { KeySnapshot } from './snapshot'

/** A `data` KEK that is unlocked. */
export interface UnlockedKek {
  readonly record: KeyRecord
  readonly kek: SecretKey
}

/** What {@link SubjectKeys} works on. */
export interface SubjectKeySource {
  readonly domain: string
  readonly store: () => KeyStore
  readonly snapshot: KeySnapshot
  /** The active `data` KEK, which wraps new subject keys. */
  readonly activeKek: (session?: Session) => Promise<UnlockedKek>
  /** The usable `data` KEKs with these ids, or the typed error of the first that is not. */
  readonly keks: (
    ids: Iterable<string>,
    session?: Session,
  ) => Promise<ReadonlyMap<string, SecretKey>>
  /** The token key of kind "subject", registered at its first use. */
  readonly tokenKey: (session?: Session) => Promise<TokenKey>
}

/** Keys of data subjects: found, made, and remembered in a bounded cache. */
export class SubjectKeys {
  readonly #source: SubjectKeySource

  constructor(source: SubjectKeySource) {
    this.#source = source
  }

  /** The subject_ref of each subject; see `KeyAccess.subjectRefs`. */
  async refs(_subjects: Iterable<string>, _session?: Session): Promise<Map<string, Buffer>> {
    throw this.#unsupported()
  }

  /** A key for each subject; those that do not exist are made. One query for all. */
  async sealing(_subjects: Iterable<string>, _session?: Session): Promise<Map<string, SubjectKey>> {
    throw this.#unsupported()
  }

  /** The keys with these ids, and when those that were destroyed were. One query for all. */
  async opening(
    _ids: Iterable<string>,
    _session?: Session,
  ): Promise<{ keys: Map<string, SubjectKey>; shredded: Map<string, Date> }> {
    throw this.#unsupported()
  }

  /** Forgets everything that is in memory; called when the key store has changed. */
  forget(): void {}

  #unsupported(): MortiseError {
    return new MortiseError('ERR_CONFIG', `subject keys of ${this.#source.domain}: not yet`)
  }
}
