import type { SecretKey } from '../crypto/secret-key'
import { isMortiseError, type MortiseErrorCode } from '../errors'
import type { KeyStore, SubjectKeyRecord } from '../key-store/store'
import { unwrapSubjectKey, wrapSubjectKey } from './subject-wrap'

/** A page of the subject keys of a domain, in the order of their ids. */
export interface SubjectPage {
  /**
   * The KEK that they are moved to, 16 hex digits; null where the active key has no material: then
   * every subject key that is not current fails with ERR_CONFIG.
   */
  readonly targetId: string | null
  /** Those of these KEKs from which keys are moved: not the ones that are newer than the target. */
  readonly staleAmong: (kekIds: readonly string[]) => Promise<ReadonlySet<string>>
  /** The last id of the page before, or null. */
  readonly after: string | null
  readonly limit: number
  /** Does everything except writing. */
  readonly dryRun: boolean
}

/** What happened to a page; in numbers of subject keys. */
export interface MovedPage {
  /** The last id of the page; null where it was the last page. */
  readonly last: string | null
  readonly moved: number
  /** Changed by somebody else meanwhile. */
  readonly skipped: number
  readonly failed: readonly { readonly id: string; readonly code: MortiseErrorCode }[]
}

/** What {@link SubjectWraps} works on. */
export interface SubjectWrapSource {
  readonly domain: string
  readonly store: () => KeyStore
  /** Unlocked usable `data` KEKs by id, or the typed error of the first that is not. */
  readonly keks: (ids: Iterable<string>) => Promise<ReadonlyMap<string, SecretKey>>
}

/** What concerns the subject keys of one KEK only; everything else ends the work. */
const OF_ONE_KEK: readonly MortiseErrorCode[] = [
  'ERR_KEY_NOT_FOUND',
  'ERR_KEY_STATE',
  'ERR_KEY_INTEGRITY',
]

/** Moves subject keys from one KEK to another: 40 bytes each, and no value of the subject. */
export class SubjectWraps {
  readonly #source: SubjectWrapSource

  constructor(source: SubjectWrapSource) {
    this.#source = source
  }

  /** How many subject keys each KEK wraps. */
  count(): Promise<{ kekId: string; count: number }[]> {
    return this.#source.store().countSubjectKeys(this.#source.domain)
  }

  /**
   * Wraps the subject keys of a page under the target KEK.
   *
   * @throws ERR_KEY_STATE where the target may not be used any more
   */
  async movePage({ targetId, staleAmong, after, limit, dryRun }: SubjectPage): Promise<MovedPage> {
    const { domain, store, keks } = this.#source
    const page = await store().pageSubjectKeys(domain, { notUnder: targetId, after, limit })
    const target = targetId === null ? null : ((await keks([targetId])).get(targetId) ?? null)
    const staleIds = await staleAmong([...new Set(page.map(({ kekId }) => kekId))])
    const stale = page.filter(({ kekId }) => staleIds.has(kekId))
    const sources = await this.#sources(staleIds)
    const moves = stale.map((record) => {
      if (target === null || targetId === null) return failure(record, 'ERR_CONFIG')
      const source = sources.get(record.kekId)
      if (source === undefined || typeof source === 'string') return failure(record, source)
      const wrapped = rewrap(record, source, target)
      return wrapped === null
        ? failure(record, 'ERR_KEY_INTEGRITY')
        : { id: record.id, wrapped: record.wrapped, next: { kekId: targetId, wrapped } }
    })
    const failed = moves.filter((move) => 'code' in move)
    const changes = moves.filter((move) => 'next' in move)
    const write = changes.length > 0 && !dryRun
    const moved = write ? await store().rewrapSubjectKeys(changes) : changes.length
    const last = page.length < limit ? null : (page.at(-1)?.id ?? null)
    return { last, moved, skipped: changes.length - moved, failed }
  }

  async #sources(
    kekIds: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, SecretKey | MortiseErrorCode>> {
    const sources = new Map<string, SecretKey | MortiseErrorCode>()
    for (const id of kekIds) sources.set(id, await this.#kekOrCode(id))
    return sources
  }

  async #kekOrCode(id: string): Promise<SecretKey | MortiseErrorCode> {
    try {
      return (await this.#source.keks([id])).get(id) ?? 'ERR_KEY_NOT_FOUND'
    } catch (error) {
      if (isMortiseError(error) && OF_ONE_KEK.includes(error.code)) return error.code
      throw error
    }
  }
}

function failure(
  { id }: SubjectKeyRecord,
  code: MortiseErrorCode = 'ERR_KEY_NOT_FOUND',
): { readonly id: string; readonly code: MortiseErrorCode } {
  return { id, code }
}

/** @returns null where the wrap is not the one that was made for this record */
function rewrap(record: SubjectKeyRecord, from: SecretKey, to: SecretKey): Buffer | null {
  const key = unwrapSubjectKey(from, record)
  if (key === null) return null
  try {
    return wrapSubjectKey(to, record, key)
  } finally {
    key.fill(0)
  }
}
