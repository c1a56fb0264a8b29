import type { IndexRecord, KeyState } from '../key-store/store'
import { keyControl } from '../keys/keyring'
import { type EncryptedSchema, type EncryptedTable, schemaOf } from '../schema'
import { countValues, type TokenCount } from './count-keys'
import { refuseHiddenRows } from './hidden-rows'
import { SUBJECT_KEYS } from './rewrap-subjects'
import { tableLabel } from './table-path'

/** How many values, tokens or records of one column need one key. */
export interface CensusRow {
  /** `table`, or `schema.table`. */
  readonly table: string
  readonly column: string
  /** `Entity.property`. */
  readonly field: string
  /**
   * 16 hex digits: the `data` key that envelopes name, or the `index` key that tokens were made with.
   * null under the keys of subjects, for values that are no envelope, and for tokens of a generation
   * that the key store does not have.
   */
  readonly keyId: string | null
  /**
   * Sealed under the keys of subjects: one row for each column, however many subjects there are. The
   * KEKs behind them are counted as values of the table `mortise_subject_key`.
   */
  readonly subject: boolean
  /** null where the keyring's domain has no such key. */
  readonly keyVersion: number | null
  /** null where the keyring's domain has no such key. */
  readonly state: KeyState | null
  /** Version of the stored format of envelopes; null for everything else. */
  readonly format: number | null
  /** Generation of the index that tokens were made with; null for everything else. */
  readonly generation: number | null
  /** NULLs are not counted. */
  readonly count: number
}

/** Where the records of indexes stand in reports, whatever the key store. */
export const INDEX_RECORDS = {
  table: 'mortise_index',
  column: 'index_key_id',
  field: 'indexes',
} as const

/**
 * Counts every encrypted value by the key that it names, and every token by the generation of its
 * index, without opening any.
 *
 * One pass over each table, in the database. It is a snapshot: another process seals under the
 * previous key until it sees a rotation, at most its `cache.epochPollMs` later. What needs a key
 * without being a value is counted along: keys of subjects, which a KEK wraps (table
 * `mortise_subject_key`, column `wrapped`), and the records that name the `index` key of an index
 * (table `mortise_index`, column `index_key_id`).
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns by table, column and key id; a column without a value has no row
 * @throws ERR_CONFIG where `dataSource` has no encrypted tables, or row-level security may hide rows of one
 * @throws ERR_KEY_STORE where the key store cannot be read
 * @see {@link retire}, which asks it whether a key is still needed
 */
export async function census(dataSource: object): Promise<CensusRow[]> {
  const schema = schemaOf(dataSource)
  await refuseHiddenRows(schema.query, schema.tables)
  return countVisible(schema)
}

/** {@link census} of the rows that this role sees, for who tells of the others. */
export async function countVisible(schema: EncryptedSchema): Promise<CensusRow[]> {
  const { keyring, tables, query } = schema
  const keys = new Map((await keyring.keys()).map((key) => [key.id, key]))
  const keyOf = (keyId: string | null) => {
    const key = keyId === null ? undefined : keys.get(keyId)
    return { keyId, keyVersion: key?.version ?? null, state: key?.state ?? null }
  }
  const control = keyControl(keyring)
  const indexes = await control.indexRecords()
  const none = { subject: false, format: null, generation: null }
  const rows: CensusRow[] = []
  for (const table of tables) {
    const { values, tokens } = await countValues(query, table)
    for (const { column, keyId, subject, format, count } of values) {
      const place = placeOf(table, column.column, column.field)
      rows.push({ ...place, ...keyOf(keyId), ...none, subject, format, count })
    }
    for (const token of tokens) {
      const { column, tokenColumn, generation, count } = token
      const place = placeOf(table, tokenColumn, column.field)
      const keyId = indexKeyOf(indexes, token)
      rows.push({ ...place, ...keyOf(keyId), ...none, generation, count })
    }
  }
  for (const { kekId, count } of await control.subjectWraps.count()) {
    rows.push({ ...SUBJECT_KEYS, ...keyOf(kekId), ...none, count })
  }
  for (const [keyId, count] of countNamed(indexes)) {
    rows.push({ ...INDEX_RECORDS, ...keyOf(keyId), ...none, count })
  }
  return rows
}

function placeOf(table: EncryptedTable, column: string, field: string) {
  return { table: tableLabel(table), column, field }
}

/** The key of a token's generation: of its field, or of the group that it compares with. */
function indexKeyOf(
  indexes: readonly IndexRecord[],
  { column, generation }: TokenCount,
): string | null {
  const names = [column.definition, ...(column.change ? [column.change.next] : [])]
  const record = indexes.find(
    (one) =>
      one.generation === generation &&
      names.some(({ indexName: { kind, name } }) => one.kind === kind && one.name === name),
  )
  return record?.indexKeyId ?? null
}

function countNamed(indexes: readonly IndexRecord[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { indexKeyId } of indexes) {
    if (indexKeyId !== null) counts.set(indexKeyId, (counts.get(indexKeyId) ?? 0) + 1)
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
}
