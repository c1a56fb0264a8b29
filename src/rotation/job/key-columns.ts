import { MortiseError } from '../../errors'
import type { Query } from '../../key-store/store'
import type { EncryptedTable } from '../../schema'
import { quote, tableLabel, tablePath } from '../table-path'

/** A column of a primary key, as statements need it. */
export interface KeyColumn {
  /** Quoted. */
  readonly name: string
  /** In PostgreSQL's spelling, with the collation of text: what is cast to it sorts as the column does. */
  readonly type: string
}

/** A primary key in PostgreSQL's text form: any type travels with any driver, and finds its index. */
export type RowKey = readonly string[]

const COLUMN_TYPES = `SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod)
    || coalesce(' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname), '') AS type
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
  WHERE a.attrelid = to_regclass($1::text) AND a.attname::text = ANY ($2::text[])
    AND a.attnum > 0 AND NOT a.attisdropped`

/**
 * Looks up the types of a table's primary key.
 *
 * @throws ERR_CONFIG where the table or a column of its primary key does not exist
 */
export async function keyColumns(query: Query, table: EncryptedTable): Promise<KeyColumn[]> {
  const rows = await query(COLUMN_TYPES, [tablePath(table), table.primaryKey])
  const types = new Map(rows.map(({ name, type }) => [name, String(type)]))
  return table.primaryKey.map((name) => {
    const type = types.get(name)
    if (type === undefined) throw missingColumn(table, name)
    return { name: quote(name), type }
  })
}

function missingColumn(table: EncryptedTable, column: string): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `the database has no column ${column} in table ${tableLabel(table)}: run the migrations first`,
  )
}
