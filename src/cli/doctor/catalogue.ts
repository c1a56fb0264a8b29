import type { Query } from '../../key-store/store'
import { tablePath } from '../../rotation/table-path'

/** A table as SQL names it. */
export interface TableName {
  /** Null for the connection's search path. */
  readonly schema: string | null
  readonly name: string
}

/** One table as the database has it. */
export interface StoredTable {
  readonly columns: readonly StoredTableColumn[]
  readonly indexes: readonly StoredIndex[]
  readonly constraints: readonly StoredConstraint[]
}

/** One column; its type in PostgreSQL's own spelling, such as `character varying(80)`. */
export interface StoredTableColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
}

/** One index: also those behind primary keys and unique constraints. */
export interface StoredIndex {
  readonly name: string
  /** Access method, such as `btree`. */
  readonly method: string
  /** Key columns in order; null in the place of an expression. */
  readonly columns: readonly (string | null)[]
  readonly unique: boolean
  /** False for what a `CREATE INDEX CONCURRENTLY` left behind that failed: it serves no query. */
  readonly valid: boolean
  /** Condition of a partial index. */
  readonly where: string | null
}

/** One constraint of a table. */
export interface StoredConstraint {
  readonly name: string
  readonly kind: 'primary' | 'unique' | 'foreign' | 'check' | 'other'
  readonly columns: readonly string[]
  /** False after `NOT VALID`: rows that existed before it may break it. */
  readonly validated: boolean
  /** Of a CHECK: its expression. */
  readonly expression: string | null
}

/** Finds a table among those that were read; null where the database has none of that name. */
export type Catalogue = (table: TableName) => StoredTable | null

const LOOK_UP = `SELECT t.place,
    (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'nullable', NOT a.attnotnull,
        'type', format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum), '[]')
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    (SELECT coalesce(json_agg(json_build_object('name', x.relname, 'method', m.amname,
        'unique', i.indisunique, 'valid', i.indisvalid AND i.indisready,
        'where', pg_get_expr(i.indpred, i.indrelid),
        'columns', (SELECT json_agg(a.attname ORDER BY k.place)
          FROM unnest(i.indkey::smallint[]) WITH ORDINALITY k(number, place)
          LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
            AND k.number > 0
          WHERE k.place <= i.indnkeyatts)) ORDER BY x.relname), '[]')
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
      JOIN pg_catalog.pg_am m ON m.oid = x.relam WHERE i.indrelid = c.oid) AS indexes,
    (SELECT coalesce(json_agg(json_build_object('name', o.conname, 'validated', o.convalidated,
        'kind', CASE o.contype WHEN 'p' THEN 'primary' WHEN 'u' THEN 'unique'
          WHEN 'f' THEN 'foreign' WHEN 'c' THEN 'check' ELSE 'other' END,
        'expression', CASE WHEN o.contype = 'c' THEN pg_get_expr(o.conbin, o.conrelid) END,
        'columns', (SELECT coalesce(json_agg(a.attname ORDER BY k.place), '[]')
          FROM unnest(o.conkey) WITH ORDINALITY k(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number))
        ORDER BY o.conname), '[]')
      FROM pg_catalog.pg_constraint o WHERE o.conrelid = c.oid) AS constraints
  FROM json_to_recordset($1::json) AS t(place integer, path text)
  JOIN pg_catalog.pg_class c ON c.oid = to_regclass(t.path)`

/**
 * Looks up tables with their columns, indexes and constraints, all with one statement.
 *
 * @param query - on a connection whose search_path is the application's
 */
export async function readCatalogue(
  query: Query,
  tables: readonly TableName[],
): Promise<Catalogue> {
  const paths = [...new Set(tables.map(tablePath))]
  const places = JSON.stringify(paths.map((path, place) => ({ place, path })))
  const rows = await query(LOOK_UP, [places])
  const found = new Map(
    rows.map(({ place, columns, indexes, constraints }) => [
      paths[Number(place)],
      { columns, indexes, constraints } as StoredTable,
    ]),
  )
  return (table) => found.get(tablePath(table)) ?? null
}
