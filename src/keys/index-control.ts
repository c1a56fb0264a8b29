import { MortiseError } from '../errors'
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
   * Registers the generation to come under the active index KEK.
   *
   * @throws ERR_KEY_STORE (`retryable`) where another process began one meanwhile
   */
  begin(current: IndexRecord, next: NonNullable<IndexDeclaration['next']>): Promise<void>
  /**
   * Moves a generation to its next state.
   *
   * @throws ERR_KEY_STORE (`retryable`) where another process moved it meanwhile
   */
  advance(record: IndexRecord, to: IndexState): Promise<void>
  /**
   * Removes a generation that nobody writes or asks any more.
   *
   * @throws ERR_KEY_STORE (`retryable`) where another process changed it meanwhile
   */
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
  const changed = async (done: boolean, { name }: IndexRecord): Promise<void> => {
    await snapshot.reloadAfterWrite()
    if (!done) throw lostRace(name)
  }
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
      const record: IndexRecord = { ...wanted, generation, indexKeyId, state: 'required' }
      await store().insertIndexes([record])
      await snapshot.reloadAfterWrite()
      const stored = (await generations()).get(next.fieldId)?.next
      if (JSON.stringify(stored) !== JSON.stringify({ ...stored, ...record })) {
        throw lostRace(next.fieldId)
      }
    },
    advance: async (record, to) =>
      changed(await store().replaceIndex(record, { ...record, state: to }), record),
    remove: async (record) => changed(await store().removeIndex(record), record),
  }
}

function lostRace(name: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_STORE',
    `the index of field ${name} was changed by another process meanwhile; run reindex again`,
    { field: name, retryable: true },
  )
}
