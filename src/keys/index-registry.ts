import { MortiseError } from '../errors'
import type { IndexRecord, KeyRecord, KeyStore, Session } from '../key-store/store'
import type { IndexDeclaration, IndexName, IndexStage } from './access'
import {
  checkAgreement,
  declaredRecords,
  differenceFrom,
  type Generations,
  generationsByName,
  hasOwnKey,
  indexNameText,
  subjectRecord,
} from './index-declaration'
import { indexChanged, indexMoved, indexStage } from './index-stage'
import type { KeySnapshot } from './snapshot'

/** What an {@link IndexRegistry} works on. */
export interface IndexRegistrySource {
  readonly domain: string
  readonly store: () => KeyStore
  readonly snapshot: KeySnapshot
  /** The active index KEK, made where none exists. */
  readonly indexKey: (session?: Session) => Promise<KeyRecord>
}

type Records = ReadonlyMap<string, Generations>

/** A declaration, and whether its records are in the store for good. */
interface Declared {
  readonly declaration: IndexDeclaration
  /** False while they were only seen in a transaction that may take them back. */
  readonly committed: boolean
}

/**
 * What each field's index was made with, compared with what the application declares: whenever it
 * declares, and again whenever the key store has changed.
 */
export class IndexRegistry {
  readonly #source: IndexRegistrySource
  readonly #declared = new Map<string, Declared>()
  #subjectsCommitted = false
  #known: { readonly epoch: number; readonly records: Records } | undefined

  constructor(source: IndexRegistrySource) {
    this.#source = source
  }

  async declare(declarations: readonly IndexDeclaration[], session?: Session): Promise<void> {
    checkAgreement([...this.#declarations(), ...declarations])
    const wanted = declaredRecords(this.#source.domain, declarations)
    let records = await this.#load(session)
    checkStored(declarations, wanted, records)
    const missing = missingFrom(records, wanted)
    if (missing.length > 0) {
      await this.#source.store().insertIndexes(await this.#withKeys(missing, session), session)
      records = await this.#loadAfterWrite(session)
      const [lost] = missingFrom(records, wanted)
      if (lost !== undefined) throw missingRecord(lost)
      checkStored(declarations, wanted, records)
    }
    const committed = !this.#source.snapshot.isTentative(session)
    for (const declaration of declarations) {
      this.#declared.set(declaration.fieldId, { declaration, committed })
    }
  }

  async redeclare(declaration: IndexDeclaration, session?: Session): Promise<void> {
    const { domain, store } = this.#source
    const { fieldId } = declaration
    checkAgreement([...this.#declarations().filter((d) => d.fieldId !== fieldId), declaration])
    this.#declared.delete(fieldId)
    const [field] = declaredRecords(domain, [declaration])
    const previous = (await this.#load(session)).get(`field ${fieldId}`)
    // Of a reindex under way nothing is replaced: what declares otherwise is refused below.
    if (field !== undefined && previous !== undefined && previous.next === null) {
      const { active } = previous
      const { generation, state } = active
      const [next] = await this.#withKeys([{ ...field, generation, state }], session)
      if (next !== undefined) await store().replaceIndex(active, next, session)
    }
    await this.declare([declaration], session)
  }

  async fieldIds(session?: Session): Promise<string[]> {
    const records = await this.#source.store().loadIndexes(this.#source.domain, session)
    return [...new Set(records.filter(({ kind }) => kind === 'field').map(({ name }) => name))]
  }

  /** See `KeyAccess.changingFieldIds`. */
  async changingFieldIds(): Promise<ReadonlySet<string>> {
    const { domain, store } = this.#source
    const all = [...generationsByName(await store().loadIndexes(domain)).values()]
    return new Set(all.flatMap(({ active, next }) => (next === null ? [] : [active.name])))
  }

  /** The record of a declared name, as new as the staleness bound. */
  async record(name: IndexName, session?: Session): Promise<IndexRecord> {
    if (name.kind === 'subject') return this.#subjectRecord(name, session)
    const declarations = this.#declarationsOf(name)
    const [first] = declarations
    if (first === undefined) {
      throw new RangeError(`${indexNameText(name)} was not declared to this keyring`)
    }
    const generations = await this.#generations(name, declarations, session)
    if (name.kind === 'group') {
      const [group] = declaredRecords(this.#source.domain, declarations.slice(0, 1)).slice(1)
      if (group !== undefined) checkGroup(group, new Map([[indexNameText(name), generations]]))
      return generations.active
    }
    const { asks } = indexStage(first, generations)
    const { active, next } = generations
    if (next !== null) return name.generation === undefined ? active : next
    if (asks.includes(name.generation === undefined ? 'current' : 'final')) return active
    throw indexMoved(name.name)
  }

  /** See `KeyAccess.indexStage`. */
  async stage(fieldId: string, session?: Session): Promise<IndexStage> {
    const declared = this.#declared.get(fieldId)
    if (declared === undefined) throw new RangeError(`field ${fieldId} was not declared`)
    const name: IndexName = { kind: 'field', name: fieldId }
    const generations = await this.#generations(name, [declared.declaration], session)
    return indexStage(declared.declaration, generations)
  }

  /** See `KeyAccess.knownIndexStage`. */
  knownStage(fieldId: string): IndexStage | undefined {
    const declared = this.#declared.get(fieldId)
    const generations = this.#known?.records.get(`field ${fieldId}`)
    return declared && generations && indexStage(declared.declaration, generations)
  }

  /** From memory within the staleness bound, and then without a promise for each layer in between. */
  #generations(
    name: IndexName,
    declarations: readonly IndexDeclaration[],
    session?: Session,
  ): Generations | Promise<Generations> {
    const { fresh } = this.#source.snapshot
    const isNew = fresh !== undefined && this.#known?.epoch === fresh.epoch
    const known = isNew ? this.#known?.records.get(indexNameText(name)) : undefined
    return known ?? this.#findGenerations(name, declarations, session)
  }

  async #findGenerations(
    name: IndexName,
    declarations: readonly IndexDeclaration[],
    session?: Session,
  ): Promise<Generations> {
    let records = await this.#current(session)
    if (!records.has(indexNameText(name))) {
      await this.declare(declarations, session)
      records = await this.#load(session)
    }
    const generations = records.get(indexNameText(name))
    if (generations === undefined) throw missingRecord(name)
    return generations
  }

  /** Registered at its first use. Committed once, it is never made again: every ref would change. */
  async #subjectRecord(name: IndexName, session?: Session): Promise<IndexRecord> {
    const { domain, snapshot, store } = this.#source
    let records = await this.#current(session)
    if (!records.has(indexNameText(name)) && !this.#subjectsCommitted) {
      await store().insertIndexes(await this.#withKeys([subjectRecord(domain)], session), session)
      records = await this.#loadAfterWrite(session)
    }
    const record = records.get(indexNameText(name))?.active
    if (record === undefined) throw missingRecord(name)
    this.#subjectsCommitted ||= !snapshot.isTentative(session)
    return record
  }

  #declarationsOf({ kind, name }: IndexName): readonly IndexDeclaration[] {
    if (kind === 'group') return this.#declarations().filter(({ exact }) => exact?.group === name)
    const declared = this.#declared.get(name)
    return declared === undefined ? [] : [declared.declaration]
  }

  #declarations(): IndexDeclaration[] {
    return [...this.#declared.values()].map(({ declaration }) => declaration)
  }

  async #withKeys(records: readonly IndexRecord[], session?: Session): Promise<IndexRecord[]> {
    if (!records.some(hasOwnKey)) return [...records]
    const { id } = await this.#source.indexKey(session)
    return records.map((record) => (hasOwnKey(record) ? { ...record, indexKeyId: id } : record))
  }

  /** From memory within the staleness bound. */
  async #current(session?: Session): Promise<Records> {
    const { epoch } = await this.#source.snapshot.current(session)
    return this.#known?.epoch === epoch ? this.#known.records : this.#load(session)
  }

  async #load(session?: Session): Promise<Records> {
    const { domain, store, snapshot } = this.#source
    // Taken before the read: what changes in between is read again at the next use.
    const { epoch } = await snapshot.current(session)
    const loaded = await store().loadIndexes(domain, await this.#upToDate(epoch, session))
    const records = generationsByName(loaded.filter((record) => record.domain === domain))
    const lasting = !snapshot.isTentative(session)
    for (const declared of this.#declared.values()) this.#compare(declared, records, lasting)
    if (lasting) this.#known = { epoch, records }
    return records
  }

  /**
   * The session, unless it shows an older state than this process has seen, as a transaction's snapshot
   * or a replica may: then none, and the store's own connection is asked. Records that are not there
   * yet would be taken for lost ones, and kept.
   */
  async #upToDate(epoch: number, session?: Session): Promise<Session | undefined> {
    const { domain, store } = this.#source
    if (session === undefined || store().writesOnSession) return session
    return (await store().loadEpoch(domain, session)) < epoch ? undefined : session
  }

  /**
   * A record that was rolled back is made again by the next use. One that was committed and is gone
   * is not: a new one might name another key, and every token stored so far would be missed.
   */
  #compare({ declaration, committed }: Declared, records: Records, lasting: boolean): void {
    const wanted = declaredRecords(this.#source.domain, [declaration])
    const [missing] = missingFrom(records, wanted)
    if (missing !== undefined && committed) throw missingRecord(missing)
    if (missing === undefined && lasting) {
      this.#declared.set(declaration.fieldId, { declaration, committed: true })
    }
  }

  /** See `KeySnapshot.reloadAfterWrite` for the connection that shows what was written. */
  async #loadAfterWrite(session?: Session): Promise<Records> {
    await this.#source.snapshot.reloadAfterWrite(session)
    return this.#load(this.#source.store().writesOnSession ? session : undefined)
  }
}

function missingFrom(records: Records, wanted: readonly IndexRecord[]): IndexRecord[] {
  return wanted.filter((record) => !records.has(indexNameText(record)))
}

/** @throws ERR_INDEX_CHANGED where rows were indexed otherwise than is declared */
function checkStored(
  declarations: readonly IndexDeclaration[],
  wanted: readonly IndexRecord[],
  records: Records,
): void {
  for (const declaration of declarations) {
    const generations = records.get(`field ${declaration.fieldId}`)
    if (generations !== undefined) indexStage(declaration, generations)
  }
  for (const record of wanted) if (record.kind === 'group') checkGroup(record, records)
}

/** @throws ERR_INDEX_CHANGED where the tokens of a group were made otherwise than is declared */
function checkGroup(declared: IndexRecord, records: Records): void {
  const stored = records.get(indexNameText(declared))?.active
  const difference = stored === undefined ? null : differenceFrom(stored, declared)
  if (difference !== null) throw indexChanged(declared, difference)
}

function missingRecord(name: Pick<IndexName, 'kind' | 'name'>): MortiseError {
  return new MortiseError(
    'ERR_KEY_STORE',
    `the key store has no index record of ${indexNameText(name)}, which was registered before; restore the key store from a backup`,
    { field: name.name },
  )
}
