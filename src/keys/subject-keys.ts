import { keyIdBytes } from '../bytes'
import { randomBytes } from '../crypto/random'
import { KEY_BYTES, type SecretKey, secretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { KeyRecord, KeyStore, Session, SubjectKeyRecord, Tombstone } from '../key-store/store'
import type { SubjectKey, TokenKey } from './access'
import { deriveSubjectKey } from './derive'
import type { KeyEventHandler } from './events'
import type { FoundKeys } from './found-keys'
import type { KeySnapshot } from './snapshot'
import { SubjectCache } from './subject-cache'
import { refText, subjectRefOf } from './subject-ref'
import { unwrapSubjectKey, wrapSubjectKey } from './subject-wrap'
import { UnknownIds } from './unknown-ids'

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
  /** The same KEKs, where one that is not usable does not hinder the others. */
  readonly findKeks: (ids: Iterable<string>, session?: Session) => Promise<FoundKeys<SecretKey>>
  /** The token key of kind "subject", registered at its first use. */
  readonly tokenKey: (session?: Session) => Promise<TokenKey>
  readonly emit: KeyEventHandler
}

/** The keys that a page was asked for, and those that are gone for good. */
export interface OpenedSubjects extends FoundKeys<SubjectKey> {
  readonly shredded: ReadonlyMap<string, Date>
}

const KEY_ID_BYTES = 8
/** A lost race is normal; losing this often means that the store refuses for another reason. */
const MAX_ATTEMPTS = 3

/**
 * Keys of data subjects: found, made, and remembered in a bounded cache.
 *
 * Whatever the number of subjects, a call asks the store once (twice more where keys have to be made)
 * and unlocks each KEK once. Every use asks for the KEK again, from memory as a rule: a subject key is
 * usable as long as the KEK that wraps it, and no longer.
 */
export class SubjectKeys {
  readonly #source: SubjectKeySource
  readonly #cache = new SubjectCache()
  readonly #unknown = new UnknownIds()

  constructor(source: SubjectKeySource) {
    this.#source = source
  }

  /** The subject_ref of each subject; see `KeyAccess.subjectRefs`. */
  async refs(subjects: Iterable<string>, session?: Session): Promise<Map<string, Buffer>> {
    const key = await this.#source.tokenKey(session)
    return new Map([...new Set(subjects)].map((subject) => [subject, subjectRefOf(key, subject)]))
  }

  /** A key for each subject; those that do not exist are made. */
  async sealing(subjects: Iterable<string>, session?: Session): Promise<Map<string, SubjectKey>> {
    await this.#source.snapshot.current(session)
    const refs = await this.refs(subjects, session)
    const keys = new Map<string, SubjectKey>()
    const missing: Buffer[] = []
    for (const ref of refs.values()) {
      const cached = this.#cache.byRef(ref)
      if (cached === undefined) missing.push(ref)
      else keys.set(refText(ref), cached)
    }
    for (const key of await this.#findOrMake(missing, session))
      keys.set(refText(key.subjectRef), key)
    await this.#checkKeks(keys.values(), session)
    return new Map([...refs].map(([subject, ref]) => [subject, keys.get(refText(ref)) ?? lost()]))
  }

  /**
   * The keys with these ids, when those that were destroyed were, and why others cannot be used.
   */
  async opening(ids: Iterable<string>, session?: Session): Promise<OpenedSubjects> {
    await this.#source.snapshot.current(session)
    const keys = new Map<string, SubjectKey>()
    const missing: string[] = []
    for (const id of new Set(ids)) {
      const cached = this.#cache.byId(id)
      if (cached === undefined) missing.push(id)
      else keys.set(id, cached)
    }
    const refused = await this.#refuse(keys, session)
    if (missing.length === 0) return { keys, refused, shredded: new Map() }
    return this.#fetch(missing, { keys, refused }, session)
  }

  /** The stored key of a subject, read now; null where it has none. */
  async find(subject: string): Promise<SubjectKeyRecord | null> {
    const refs = await this.refs([subject])
    const wanted = { refs: [...refs.values()], ids: [] }
    const { keys } = await this.#source.store().loadSubjectKeys(this.#source.domain, wanted)
    return keys[0] ?? null
  }

  /** Which of these ids are of keys that were destroyed. */
  async tombstones(ids: Iterable<string>): Promise<Tombstone[]> {
    const wanted = { refs: [], ids: [...ids] }
    const { tombstones } = await this.#source.store().loadSubjectKeys(this.#source.domain, wanted)
    return tombstones
  }

  /** Destroys keys for good. */
  async destroy(tombstones: readonly Tombstone[]): Promise<void> {
    try {
      await this.#source.store().destroySubjectKeys(tombstones)
    } finally {
      this.forget()
    }
    await this.#source.snapshot.reloadAfterWrite()
  }

  /** Forgets everything that is in memory; called when the key store has changed. */
  forget(): void {
    this.#cache.clear()
    this.#unknown.clear()
  }

  /** Forgets everything, for good. */
  discard(): void {
    this.#cache.discard()
    this.#unknown.clear()
  }

  /** Takes out the keys whose KEK cannot be used. */
  async #refuse(
    keys: Map<string, SubjectKey>,
    session?: Session,
  ): Promise<Map<string, MortiseError>> {
    const refused = new Map<string, MortiseError>()
    const kekOf = (key: SubjectKey): string => this.#cache.kekOf(key) ?? ''
    const ids = new Set([...keys.values()].map(kekOf))
    ids.delete('')
    const keks = await this.#source.findKeks(ids, session)
    for (const [id, key] of keys) {
      const refusal = keks.refused.get(kekOf(key))
      if (!refusal) continue
      refused.set(id, refusal)
      keys.delete(id)
    }
    return refused
  }

  async #fetch(
    ids: readonly string[],
    { keys, refused }: { keys: Map<string, SubjectKey>; refused: Map<string, MortiseError> },
    session?: Session,
  ): Promise<OpenedSubjects> {
    const { domain, findKeks } = this.#source
    const asked = ids.filter((id) => !this.#unknown.has(id))
    const loaded = await this.#load({ refs: [], ids: asked }, session)
    const keks = await findKeks(new Set(loaded.keys.map(({ kekId }) => kekId)), session)
    for (const { id, kekId } of loaded.keys) {
      const refusal = keks.refused.get(kekId)
      if (refusal) refused.set(id, refusal)
    }
    const usable = loaded.keys.filter(({ id }) => !refused.has(id))
    for (const key of await this.#unlock(usable, session, loaded.age)) keys.set(key.id, key)
    const shredded = new Map(loaded.tombstones.map(({ id, destroyedAt }) => [id, destroyedAt]))
    for (const id of ids)
      if (!keys.has(id) && !refused.has(id) && !shredded.has(id))
        refused.set(id, this.#unknown.remember(id, domain, 'subject'))
    return { keys, refused, shredded }
  }

  /** A key that somebody else made meanwhile is the one that counts: the store decides. */
  async #findOrMake(refs: readonly Buffer[], session?: Session): Promise<SubjectKey[]> {
    if (refs.length === 0) return []
    const { domain, store } = this.#source
    const stored = await this.#load({ refs, ids: [] }, session)
    const found = new Map(stored.keys.map((record) => [refText(record.subjectRef), record]))
    const writer = store().writesOnSession ? session : undefined
    for (let attempt = 0; found.size < refs.length && attempt < MAX_ATTEMPTS; attempt++) {
      const absent = refs.filter((ref) => !found.has(refText(ref)))
      await store().insertSubjectKeys(await this.#make(absent, session), session)
      const made = await this.#load({ refs: absent, ids: [] }, writer)
      for (const record of made.keys) found.set(refText(record.subjectRef), record)
    }
    if (found.size < refs.length) throw neverSeen(domain)
    return this.#unlock([...found.values()], session, stored.age)
  }

  /**
   * Reads the store. The snapshot of a transaction and a replica may show an older state than this
   * process has seen, with keys that were destroyed since: then the store's own connection is asked.
   *
   * @returns with it, how old the cache was before the read
   */
  async #load(
    wanted: Parameters<KeyStore['loadSubjectKeys']>[1],
    session?: Session,
  ): Promise<Awaited<ReturnType<KeyStore['loadSubjectKeys']>> & { readonly age: number }> {
    const { domain, store, snapshot } = this.#source
    const { epoch } = snapshot
    const { age } = this.#cache
    if (wanted.refs.length + wanted.ids.length === 0)
      return { keys: [], tombstones: [], epoch, age }
    const ownReads = store().writesOnSession ? session : undefined
    let loaded = await store().loadSubjectKeys(domain, wanted, session)
    // A new key raises no epoch, and a transaction may have begun before it was made.
    const incomplete = loaded.keys.length + loaded.tombstones.length < wanted.ids.length
    if ((loaded.epoch < epoch || incomplete) && session !== ownReads) {
      loaded = await store().loadSubjectKeys(domain, wanted, ownReads)
    }
    // Refuses a store that was rolled back.
    if (loaded.epoch < epoch) await snapshot.reload(ownReads)
    return { ...loaded, age }
  }

  async #make(refs: readonly Buffer[], session?: Session): Promise<SubjectKeyRecord[]> {
    const { domain } = this.#source
    const { record, kek } = await this.#source.activeKek(session)
    const createdAt = new Date()
    return refs.map((subjectRef) => {
      const identity = { id: randomBytes(KEY_ID_BYTES).toString('hex'), domain, subjectRef }
      const key = randomBytes(KEY_BYTES)
      const wrapped = wrapSubjectKey(kek, identity, key)
      key.fill(0)
      return { ...identity, kekId: record.id, wrapped, createdAt }
    })
  }

  /** @param age - of the cache before the records were read: what is older by now is not kept */
  async #unlock(
    records: readonly SubjectKeyRecord[],
    session: Session | undefined,
    age: number,
  ): Promise<SubjectKey[]> {
    const { domain, keks, snapshot } = this.#source
    const ofDomain = records.filter((record) => record.domain === domain)
    const unlocked = await keks(new Set(ofDomain.map(({ kekId }) => kekId)), session)
    const lasting = !snapshot.isTentative(session)
    return ofDomain.map((record) => {
      const key = unlockSubjectKey(record, unlocked.get(record.kekId) ?? lost())
      if (key === null) throw this.#notThisKey(record)
      if (lasting) this.#cache.put(key, record.kekId, age)
      return key
    })
  }

  #notThisKey({ id, domain, kekId }: SubjectKeyRecord): MortiseError {
    this.#source.emit({ type: 'subject-key-integrity', domain, subjectKeyId: id, keyId: kekId })
    return new MortiseError(
      'ERR_KEY_INTEGRITY',
      `subject key ${id} (domain ${domain}) does not open with key ${kekId}: the key store was changed; restore it from a backup`,
      { failure: 'integrity' },
    )
  }

  async #checkKeks(keys: Iterable<SubjectKey>, session?: Session): Promise<void> {
    const ids = new Set([...keys].map((key) => this.#cache.kekOf(key)))
    ids.delete(undefined)
    if (ids.size > 0) await this.#source.keks(ids as Set<string>, session)
  }
}

/**
 * Opens the wrap of a subject key and reduces the key to what sealing and opening need.
 *
 * @returns null where the record is not what was stored
 */
function unlockSubjectKey(record: SubjectKeyRecord, kek: SecretKey): SubjectKey | null {
  const bytes = unwrapSubjectKey(kek, record)
  if (bytes === null) return null
  const { id, domain } = record
  const idBytes = keyIdBytes(id)
  const subjectRef = Buffer.from(record.subjectRef)
  const key = secretKey(bytes)
  bytes.fill(0)
  return { id, idBytes, domain, subjectRef, dekWrapKey: deriveSubjectKey(key, domain, idBytes) }
}

function neverSeen(domain: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_STORE',
    `subject keys of domain ${domain} were written ${MAX_ATTEMPTS} times and never seen again; check that the key store reads from where it writes`,
  )
}

function lost(): never {
  throw new RangeError('a key that was found is missing from its own page')
}
