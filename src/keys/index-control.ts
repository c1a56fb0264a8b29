import type { IndexRecord, IndexState, KeyRecord, KeyStore } from '../key-store/store'
import type { IndexDeclaration } from './access'
import { fieldRecord, type Generations, generationsByName, hasOwnKey } from './index-declaration'
import type { KeySnapshot } from './snapshot'

/** The generations of fields' indexes, read from the store now and changed by `reindex`. */
export interface IndexControl {
  /** By field id; a field that was never registered has none. */
  generations(): Promise<ReadonlyMap<string, Generations>>
  /** The active index KEK: what the next generation's tokens derive from. */
  keyId(): Promise<string>
  /**
   * Registers the generation to come under the active index KEK; one that another process registered
   * meanwhile is left as it is.
   */
  begin(current: IndexRecord, next: NonNullable<IndexDeclaration['next']>): Promise<void>
  /** Moves a generation to another state, unless another process moved it meanwhile. */
  advance(record: IndexRecord, to: IndexState): Promise<void>
  /** Removes a generation that nobody writes or asks any more, unless another process changed it. */
  remove(record: IndexRecord): Promise<void>
  /** How long after a change another process may still act on what was before, in milliseconds. */
  readonly stalenessMs: number
}

/** What an {@link IndexControl} works on. */
export interface IndexControlSource {
  readonly domain: string
  readonly store: () => KeyStore
  readonly snapshot: KeySnapshot
  readonly indexKey: () => Promise<KeyRecord>
  readonly stalenessMs: number
}

const MAX_GENERATION = 255

/** The administration of index generations. */
export function indexControl(source: IndexControlSource): IndexControl {
  const { domain, store, snapshot, indexKey, stalenessMs } = source
  const generations = async (): Promise<ReadonlyMap<string, Generations>> => {
    const fields = (await store().loadIndexes(domain)).filter(({ kind }) => kind === 'field')
    const all = [...generationsByName(fields).values()]
    return new Map(all.map((one) => [one.active.name, one]))
  }
  return {
    stalenessMs,
    generations,
    keyId: async () => (await indexKey()).id,
    async begin(current, next) {
      const wanted = fieldRecord(domain, next)
      const indexKeyId = hasOwnKey(wanted) ? (await indexKey()).id : null
      const generation = (current.generation % MAX_GENERATION) + 1
      // The change before this one may have been cut off within its last step.
      if (current.state !== 'active') await this.advance(current, 'active')
      await store().insertIndexes([{ ...wanted, generation, indexKeyId, state: 'required' }])
      await snapshot.reloadAfterWrite()
    },
    async advance(record, to) {
      await store().replaceIndex(record, { ...record, state: to })
      await snapshot.reloadAfterWrite()
    },
    async remove(record) {
      await store().removeIndex(record)
      await snapshot.reloadAfterWrite()
    },
  }
}
