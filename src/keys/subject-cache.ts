import type { SubjectKey } from './access'
import { refText } from './subject-ref'

/** About half a kilobyte each. A page keeps the keys that it was given, also those evicted since. */
const MAX_SUBJECTS = 10_000

interface Entry {
  readonly key: SubjectKey
  readonly kekId: string
}

/** The subject keys used last, by id and by subject_ref. */
export class SubjectCache {
  readonly #byId = new Map<string, Entry>()
  readonly #idByRef = new Map<string, string>()
  readonly #kekByKey = new WeakMap<SubjectKey, string>()
  #age = 0
  #discarded = false

  /** Counts how often the cache was cleared. */
  get age(): number {
    return this.#age
  }

  byId(id: string): SubjectKey | undefined {
    const entry = this.#byId.get(id)
    if (entry === undefined) return undefined
    // The order of a Map is the order of insertion: the first one is the one unused for longest.
    this.#byId.delete(id)
    this.#byId.set(id, entry)
    return entry.key
  }

  byRef(ref: Uint8Array): SubjectKey | undefined {
    const id = this.#idByRef.get(refText(ref))
    return id === undefined ? undefined : this.byId(id)
  }

  /** The KEK that wraps a key which this cache holds or held. */
  kekOf(key: SubjectKey): string | undefined {
    return this.#kekByKey.get(key)
  }

  /** Keeps a key, unless the cache was cleared since `age`: what was read before is not believed. */
  put(key: SubjectKey, kekId: string, age: number): void {
    this.#kekByKey.set(key, kekId)
    if (age !== this.#age || this.#discarded) return
    this.#byId.delete(key.id)
    this.#byId.set(key.id, { key, kekId })
    this.#idByRef.set(refText(key.subjectRef), key.id)
    if (this.#byId.size > MAX_SUBJECTS) this.#evictOldest()
  }

  clear(): void {
    this.#age++
    this.#byId.clear()
    this.#idByRef.clear()
  }

  /** Forgets everything, for good: what is still being read is not kept either. */
  discard(): void {
    this.#discarded = true
    this.clear()
  }

  #evictOldest(): void {
    const [oldest] = this.#byId.values()
    if (oldest === undefined) return
    this.#byId.delete(oldest.key.id)
    const ref = refText(oldest.key.subjectRef)
    if (this.#idByRef.get(ref) === oldest.key.id) this.#idByRef.delete(ref)
  }
}
