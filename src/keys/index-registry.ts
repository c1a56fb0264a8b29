import { MortiseError } from '../errors'
import type { IndexRecord, KeyRecord, KeyStore, Session } from '../key-store/store'
import type { IndexDeclaration, IndexName } from './access'
import {
  checkAgreement,
  checkUnchanged,
  declaredRecords,
  hasOwnKey,
  indexNameText,
  recordsByName,
} from './index-declaration'
import type { KeySnapshot } from './snapshot'

/** What an {@link IndexRegistry} works on. */
export interface IndexRegistrySource {
  readonly domain: string
  readonly store: () => KeyStore
  readonly snapshot: KeySnapshot
  /** The active index KEK, made where none exists. */
  readonly indexKey: (session?: Session) => Promise<KeyRecord>
}

type Records = ReadonlyMap<string, IndexRecord>

/**
 * What each field's index was made with, compared with what the application declares: whenever it
 * declares, and again whenever the key store has changed.
 */
export class IndexRegistry {
  readonly #source: IndexRegistrySource
  readonly #declared = new Map<string, IndexDeclaration>()
  #known: { readonly epoch: number; readonly records: Records } | undefined

  constructor(source: IndexRegistrySource) {
    this.#source = source
  }

  async declare(declarations: readonly IndexDeclaration[], session?: Session): Promise<void> {
    checkAgreement([...this.#declared.values(), ...declarations])
    const wanted = declaredRecords(this.#source.domain, declarations)
    let records = await this.#load(session)
    const missing = wanted.filter((record) => !records.has(indexNameText(record)))
    if (missing.length > 0) {
      await this.#source.store().insertIndexes(await this.#withKeys(missing, session), session)
      records = await this.#loadAfterWrite(session)
    }
    for (const record of wanted) checkUnchanged(stored(records, record), record)
    for (const declaration of declarations) this.#declared.set(declaration.fieldId, declaration)
  }

  async redeclare(declaration: IndexDeclaration, session?: Session): Promise<void> {
    const { domain, store } = this.#source
    const others = [...this.#declared.values()].filter((d) => d.fieldId !== declaration.fieldId)
    checkAgreement([...others, declaration])
    this.#declared.delete(declaration.fieldId)
    const [field] = declaredRecords(domain, [declaration])
    const previous = (await this.#load(session)).get(`field ${declaration.fieldId}`)
    if (field !== undefined && previous !== undefined) {
      const [next] = await this.#withKeys([{ ...field, generation: previous.generation }], session)
      if (next !== undefined) await store().replaceIndex(previous, next, session)
    }
    await this.declare([declaration], session)
  }

  async fieldIds(session?: Session): Promise<string[]> {
    const records = await this.#source.store().loadIndexes(this.#source.domain, session)
    return records.filter(({ kind }) => kind === 'field').map(({ name }) => name)
  }

  /** The record of a declared name, as new as the staleness bound. */
  async record(name: IndexName, session?: Session): Promise<IndexRecord> {
    const { epoch } = await this.#source.snapshot.current(session)
    const records = this.#known?.epoch === epoch ? this.#known.records : await this.#load(session)
    const record = records.get(indexNameText(name))
    if (record !== undefined && this.#isDeclared(name)) return record
    throw new RangeError(`${indexNameText(name)} was not declared to this keyring`)
  }

  #isDeclared({ kind, name }: IndexName): boolean {
    if (kind === 'field') return this.#declared.has(name)
    return [...this.#declared.values()].some(({ exact }) => exact?.group === name)
  }

  async #withKeys(records: readonly IndexRecord[], session?: Session): Promise<IndexRecord[]> {
    if (!records.some(hasOwnKey)) return [...records]
    const { id } = await this.#source.indexKey(session)
    return records.map((record) => (hasOwnKey(record) ? { ...record, indexKeyId: id } : record))
  }

  async #load(session?: Session): Promise<Records> {
    const { domain, store, snapshot } = this.#source
    // Taken before the read: what changes in between is read again at the next use.
    const { epoch } = await snapshot.current(session)
    const loaded = await store().loadIndexes(domain, session)
    const records = recordsByName(loaded.filter((record) => record.domain === domain))
    for (const record of declaredRecords(domain, [...this.#declared.values()])) {
      checkUnchanged(stored(records, record), record)
    }
    if (!snapshot.isTentative(session)) this.#known = { epoch, records }
    return records
  }

  /** See `KeySnapshot.reloadAfterWrite` for the connection that shows what was written. */
  async #loadAfterWrite(session?: Session): Promise<Records> {
    await this.#source.snapshot.reloadAfterWrite(session)
    return this.#load(this.#source.store().writesOnSession ? session : undefined)
  }
}

function stored(records: Records, wanted: IndexRecord): IndexRecord {
  const record = records.get(indexNameText(wanted))
  if (record !== undefined) return record
  throw new MortiseError(
    'ERR_KEY_STORE',
    `the key store has no index record of ${indexNameText(wanted)}, which was registered before; restore the key store from a backup`,
    { field: wanted.name },
  )
}
