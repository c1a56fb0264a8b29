import type { KeyState } from '../key-store/store'
import { schemaOf } from '../schema'
import { countKeys } from './count-keys'
import { tableLabel } from './table-path'

/** How many values of one column are sealed under one key. */
export interface CensusRow {
  /** `table`, or `schema.table`. */
  readonly table: string
  readonly column: string
  /** `Entity.property`. */
  readonly field: string
  /** 16 hex digits; null for values that are no envelope. */
  readonly keyId: string | null
  /** null where the keyring's domain has no such key. */
  readonly keyVersion: number | null
  /** null where the keyring's domain has no such key. */
  readonly state: KeyState | null
  /** Version of the stored format; null for values that are no envelope. */
  readonly format: number | null
  /** NULLs are not counted. */
  readonly count: number
}

/**
 * Counts every encrypted value by the key that it names, without opening any.
 *
 * One pass over each table, in the database. It is a snapshot: another process seals under the
 * previous key until it sees a rotation, at most its `cache.epochPollMs` later.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised
 * @returns by table, column and key id; a column without a value has no row
 * @throws ERR_CONFIG where `dataSource` has no encrypted tables
 * @throws ERR_KEY_STORE where the key store cannot be read
 */
export async function census(dataSource: object): Promise<CensusRow[]> {
  const { keyring, tables, query } = schemaOf(dataSource)
  const keys = new Map((await keyring.keys()).map((key) => [key.id, key]))
  const rows: CensusRow[] = []
  for (const table of tables) {
    for (const { column, keyId, format, count } of await countKeys(query, table)) {
      const key = keyId === null ? undefined : keys.get(keyId)
      rows.push({
        table: tableLabel(table),
        column: column.column,
        field: column.field,
        keyId,
        keyVersion: key?.version ?? null,
        state: key?.state ?? null,
        format,
        count,
      })
    }
  }
  return rows
}
