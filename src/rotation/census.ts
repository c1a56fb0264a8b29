import type { KeyState } from '../key-store/store'
import { schemaOf } from '../schema'
import { quote, tableSql } from './table-sql'

/** How many envelopes of one column are under one key. */
export interface CensusRow {
  readonly table: string
  readonly column: string
  /** 16 hex digits. */
  readonly keyId: string
  /** Null where the keyring does not know the key. */
  readonly keyVersion: number | null
  readonly state: KeyState | null
  /** Format version of the envelopes; null for bytes that are no envelope. */
  readonly format: number | null
  readonly count: number
}

/**
 * Counts which key seals what, in SQL and without any key: the answer to "may this key be retired?".
 *
 * One aggregate per encrypted column, over bytes at a fixed place.
 *
 * @param dataSource - an initialized DataSource with `withEncryption`
 * @returns by table, column and key version; columns without a value do not appear
 * @throws ERR_CONFIG for another DataSource
 */
export async function census(dataSource: object): Promise<CensusRow[]> {
  const { keyring, tables, query } = schemaOf(dataSource)
  const keys = new Map((await keyring.keys()).map((key) => [key.id, key]))
  const census: CensusRow[] = []
  for (const table of tables) {
    for (const { column } of table.columns) {
      for (const row of await query(censusSql(tableSql(table), quote(column)), [])) {
        const keyId = row.key as string
        const key = keys.get(keyId)
        census.push({
          table: table.name,
          column,
          keyId,
          keyVersion: key?.version ?? null,
          state: key?.state ?? null,
          format: row.format as number | null,
          count: Number(row.count),
        })
      }
    }
  }
  return census
}

function censusSql(table: string, column: string): string {
  return (
    `SELECT encode(substring(${column} from 3 for 8), 'hex') AS "key", ` +
    `CASE WHEN substring(${column} from 1 for 1) = '\\xe1'::bytea THEN 1 END AS "format", ` +
    `count(*) AS "count" FROM ${table} WHERE ${column} IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2`
  )
}
