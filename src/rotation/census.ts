import type { KeyState } from '../key-store/store'
import { keyControl } from '../keys/keyring'
import { schemaOf } from '../schema'
import { countKeys } from './count-keys'
import { SUBJECT_KEYS } from './rewrap-subjects'
import { tableLabel } from './table-path'

/** How many values of one column are sealed under one key. */
export interface CensusRow {
  /** `table`, or `schema.table`. */
  readonly table: string
  readonly column: string
  /** `Entity.property`. */
  readonly field: string
  /** 16 hex digits; null under the keys of subjects, and for values that are no envelope. */
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
  /** Version of the stored format; null for values that are no envelope, and for subject keys. */
  readonly format: number | null
  /** NULLs are not counted. */
  readonly count: number
}

/**
 * Counts every encrypted value by the key that it names, without opening any.
 *
 * One pass over each table, in the database. It is a snapshot: another process seals under the
 * previous key until it sees a rotation, at most its `cache.epochPollMs` later. Keys of subjects, which
 * a KEK wraps, are counted like values: table `mortise_subject_key`, column `wrapped`.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns by table, column and key id; a column without a value has no row
 * @throws ERR_CONFIG where `dataSource` has no encrypted tables
 * @throws ERR_KEY_STORE where the key store cannot be read
 */
export async function census(dataSource: object): Promise<CensusRow[]> {
  const { keyring, tables, query } = schemaOf(dataSource)
  const keys = new Map((await keyring.keys()).map((key) => [key.id, key]))
  const keyOf = (keyId: string | null) => {
    const key = keyId === null ? undefined : keys.get(keyId)
    return { keyId, keyVersion: key?.version ?? null, state: key?.state ?? null }
  }
  const rows: CensusRow[] = []
  for (const table of tables) {
    for (const { column, keyId, subject, format, count } of await countKeys(query, table)) {
      const place = { table: tableLabel(table), column: column.column, field: column.field }
      rows.push({ ...place, ...keyOf(keyId), subject, format, count })
    }
  }
  for (const { kekId, count } of await keyControl(keyring).subjectWraps.count()) {
    rows.push({ ...SUBJECT_KEYS, ...keyOf(kekId), subject: false, format: null, count })
  }
  return rows
}
