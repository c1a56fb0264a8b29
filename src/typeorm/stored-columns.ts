import type { EntityMetadata } from 'typeorm'
import type { Query } from '../key-store/store'
import type { EncryptedColumn } from './encrypted-column'

/** What the database has in the place of one envelope column. */
export interface StoredColumn {
  readonly column: EncryptedColumn
  readonly tableExists: boolean
  /** In PostgreSQL's spelling, such as `bytea` or `character varying(80)`; null without the column. */
  readonly type: string | null
}

const LOOK_UP = `SELECT to_regclass(c.path)::text AS found,
    format_type(a.atttypid, a.atttypmod) AS type
  FROM json_to_recordset($1::json) AS c(place integer, path text, name text)
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = to_regclass(c.path)
    AND a.attname = c.name::name AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY c.place`

/**
 * Looks up the envelope columns in the catalogue, all with one statement.
 *
 * @param query - on a connection whose search_path is the application's
 * @returns one answer per column, in the same order
 */
export async function storedColumns(
  columns: readonly EncryptedColumn[],
  query: Query,
): Promise<StoredColumn[]> {
  if (columns.length === 0) return []
  const places = columns.map(({ main }, place) => {
    return { place, path: tableOf(main.entityMetadata), name: main.databaseName }
  })
  const rows = await query(LOOK_UP, [JSON.stringify(places)])
  return columns.map((column, place) => ({
    column,
    tableExists: typeof rows[place]?.found === 'string',
    type: typeof rows[place]?.type === 'string' ? rows[place].type : null,
  }))
}

/**
 * Whether any row holds a value in the column, whatever its type is.
 *
 * Stops at the first such row; a table where all are NULL is read whole.
 *
 * @param column - one that exists
 */
export async function holdsValues({ main }: EncryptedColumn, query: Query): Promise<boolean> {
  const [row] = await query(
    `SELECT EXISTS (SELECT 1 FROM ${tableOf(main.entityMetadata)}
      WHERE ${quote(main.databaseName)} IS NOT NULL)::text AS held`,
    [],
  )
  return row?.held !== 'false'
}

/** What to do about a column of another type that holds values, for an error. */
export function howToKeepValues({ column: { form }, type }: StoredColumn): string {
  return form === 'text' && type === 'bytea'
    ? 'envelopes become text in place, see docs/how-to/declare-fields.md "Text columns"'
    : "plaintext must be adopted: declare another column (name), and adopt: { from, state: 'dual' }; " +
        'see docs/how-to/encrypt-existing-data.md'
}

function tableOf({ schema, tableName }: EntityMetadata): string {
  return schema === undefined ? quote(tableName) : `${quote(schema)}.${quote(tableName)}`
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
