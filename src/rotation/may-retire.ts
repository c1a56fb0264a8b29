import { keyIdBytes } from '../bytes'
import { MortiseError } from '../errors'
import type { IndexRecord, KeyRecord } from '../key-store/store'
import { keyNotFound } from '../keys/key-use'
import { type Keyring, keyControl } from '../keys/keyring'
import { type EncryptedSchema, schemaOf } from '../schema'
import { type CensusRow, countVisible, INDEX_RECORDS } from './census'
import { tablesWithHiddenRows } from './hidden-rows'
import { SUBJECT_KEYS } from './rewrap-subjects'
import { tablePath } from './table-path'
import { unfinishedJobs } from './unfinished-jobs'

/** Which key is asked about, and where values under it may be besides the DataSource given. */
export interface MayRetireOptions {
  /** 16 hex digits. */
  readonly keyId: string
  /** DataSources of other databases that hold values of the domain; initialised. */
  readonly otherDataSources?: readonly object[] | undefined
  /** Field ids that the key store remembers, and whose columns are gone for good. */
  readonly goneFields?: readonly string[] | undefined
}

/** One thing that still needs a key. */
export interface KeyNeed {
  /** `table.column`, or what else needs it. */
  readonly place: string
  /** How many values, tokens or records. */
  readonly count: number
  /** What they are, and what to do about them. */
  readonly what: string
}

/** The answer of {@link mayRetire}. */
export interface MayRetireReport {
  readonly keyId: string
  readonly purpose: KeyRecord['purpose']
  readonly version: number
  readonly state: KeyRecord['state']
  /** Whether nothing needs it. Backups are not asked: see {@link retire}. */
  readonly retirable: boolean
  readonly needs: readonly KeyNeed[]
}

/**
 * Answers whether anything in the database still needs a key: a value, a token, a subject key, the
 * record of an index, an unfinished job, or its being the active key.
 *
 * Costs a {@link census}: one pass over each table. It knows the tables of the DataSources that it is
 * given; a field of the domain that none of them has counts as a need, because its values cannot be
 * counted.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @throws ERR_CONFIG for what is no key id, and for a DataSource that is not encrypted or of another
 *   domain
 * @throws ERR_KEY_NOT_FOUND for an id that the keyring's domain does not have
 * @throws ERR_KEY_STORE where the key store cannot be read
 */
export async function mayRetire(
  dataSource: object,
  options: MayRetireOptions,
): Promise<MayRetireReport> {
  const schemas = schemasOf(dataSource, options)
  const { keyring } = schemas[0]
  const key = await keyOf(keyring, options.keyId)
  const needs = await needsOf([dataSource, ...(options.otherDataSources ?? [])], key, options)
  const { id: keyId, purpose, version, state } = key
  return { keyId, purpose, version, state, retirable: needs.length === 0, needs }
}

/** All DataSources of a domain that the caller knows; the first one's keyring has the key. */
export function schemasOf(
  dataSource: object,
  { otherDataSources = [] }: MayRetireOptions,
): [EncryptedSchema, ...EncryptedSchema[]] {
  const first = schemaOf(dataSource)
  const others = otherDataSources.map(schemaOf)
  const { domain } = first.keyring
  const foreign = others.find(({ keyring }) => keyring.domain !== domain)
  if (foreign === undefined) return [first, ...others]
  throw new MortiseError(
    'ERR_CONFIG',
    `otherDataSources has one of domain ${foreign.keyring.domain}, which shares no key with domain ${domain}`,
  )
}

/** The key as the store has it now. */
export async function keyOf(keyring: Keyring, keyId: string): Promise<KeyRecord> {
  keyIdBytes(keyId)
  const key = (await keyControl(keyring).keys()).find(({ id }) => id === keyId)
  if (key === undefined) throw keyNotFound(keyId, keyring.domain)
  return key
}

async function needsOf(
  dataSources: readonly object[],
  key: KeyRecord,
  { goneFields = [] }: MayRetireOptions,
): Promise<KeyNeed[]> {
  const needs = key.state === 'active' ? [activeNeed(key)] : []
  const schemas = dataSources.map(schemaOf)
  for (const [i, schema] of schemas.entries()) {
    const rows = await countVisible(schema)
    // The key store is counted once, with the first.
    needs.push(...rows.filter((row) => i === 0 || !isOwnTable(row)).flatMap(needOfRow(key.id)))
  }
  for (const schema of schemas) {
    needs.push(...(await hiddenRows(schema)))
    needs.push(...(await unfinishedJobs(schema)).map(jobNeed))
  }
  const records = await keyControl((schemas[0] as EncryptedSchema).keyring).indexRecords()
  return [...needs, ...uncountedFields(records, schemas, goneFields)]
}

function needOfRow(keyId: string): (row: CensusRow) => KeyNeed[] {
  return (row) => {
    const { table, column, field, format, generation, count } = row
    const need = (what: string): KeyNeed[] => [{ place: `${table}.${column}`, count, what }]
    if (format !== null && format !== 1) {
      return need(
        `values of format ${format}, which this release cannot read: they may need any key`,
      )
    }
    if (row.keyId !== keyId) return []
    if (table === SUBJECT_KEYS.table) return need('subject keys that it wraps: run rewrap')
    if (table === INDEX_RECORDS.table) return need('indexes made with it: run reindex')
    if (generation !== null) return need(`tokens of ${field} made with it: run reindex`)
    return need(`values of ${field} sealed under it: run rewrap`)
  }
}

function isOwnTable({ table }: CensusRow): boolean {
  return table === SUBJECT_KEYS.table || table === INDEX_RECORDS.table
}

function activeNeed({ purpose }: KeyRecord): KeyNeed {
  const what = `it is the active ${purpose} key: run rotateKek with purpose '${purpose}' first`
  return { place: 'mortise_key', count: 1, what }
}

function jobNeed({ id, verb }: { readonly id: string; readonly verb: string }): KeyNeed {
  const what = `job ${id} is not finished: run ${verb} to its end, or cancelJob`
  return { place: 'mortise_job', count: 1, what }
}

/** Tables of which this role may not see, and so not count, every row. */
async function hiddenRows({ tables, query }: EncryptedSchema): Promise<KeyNeed[]> {
  const what =
    'a table whose row-level security hides rows from this role: ask as a role that sees all of them (BYPASSRLS)'
  const hidden = await tablesWithHiddenRows(query, tables)
  return hidden.map((table) => ({ place: tablePath(table), count: 1, what }))
}

/** Fields of the domain whose values nobody has counted. */
function uncountedFields(
  records: readonly IndexRecord[],
  schemas: readonly EncryptedSchema[],
  goneFields: readonly string[],
): KeyNeed[] {
  const columns = schemas.flatMap(({ tables }) => tables.flatMap((table) => table.columns))
  const counted = new Set([...columns.map(({ definition }) => definition.fieldId), ...goneFields])
  const names = new Set(records.filter(({ kind }) => kind === 'field').map(({ name }) => name))
  return [...names]
    .filter((name) => !counted.has(name))
    .sort()
    .map((name) => ({
      place: name,
      count: 1,
      what: 'a field of the domain in no table of this DataSource: name the one that has it in otherDataSources, or the field in goneFields where its column is gone for good',
    }))
}
