import { HEAD_BYTES, KEY_BLOCK_BYTES } from '../envelope/format'
import type { Query } from '../key-store/store'
import type { EncryptedTable } from '../schema'

/** The statements of one encrypted column, written once per job. */
export interface ColumnSql {
  /** `[active key id]` -> `count`. */
  readonly count: string
  /** `[active key id, limit, ...cursor]` -> `k0…kn` as text and the envelope's `head`. */
  page(first: boolean): string
  /** `[heads, key blocks, ...key columns]` -> how many rows still held the head. */
  readonly update: string
}

/** Quotes a name of the application's schema. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A table as SQL. */
export function tableSql({ schema, name }: EncryptedTable): string {
  return schema === null ? quote(name) : `${quote(schema)}.${quote(name)}`
}

/**
 * Writes the statements of one column. Only the head of an envelope is read and only its key block
 * written: values never travel, whatever their size.
 *
 * @param types - PostgreSQL types of the primary key columns, so that cursors compare as they sort
 */
export function columnSql(
  table: EncryptedTable,
  column: string,
  types: readonly string[],
): ColumnSql {
  const target = tableSql(table)
  const cell = `t.${quote(column)}`
  const keys = table.primaryKey.map((name) => `t.${quote(name)}`)
  const stale = `${cell} IS NOT NULL AND substring(${cell} from 3 for 8) <> $1::bytea`
  const cursor = types.map((type, index) => `$${index + 3}::text::${type}`)
  const columns = keys.map((_, index) => `k${index}`)
  const arrays = keys.map((_, index) => `$${index + 3}::text[]`)
  const same = keys.map((key, index) => `${key} = r.k${index}::${types[index]}`)
  return {
    count: `SELECT count(*)::int AS "count" FROM ${target} t WHERE ${stale}`,
    page: (first) =>
      `SELECT ${keys.map((key, index) => `${key}::text AS k${index}`).join(', ')}, ` +
      `substring(${cell} from 1 for ${HEAD_BYTES}) AS head FROM ${target} t WHERE ${stale} ` +
      `${first ? '' : `AND (${keys.join(', ')}) > (${cursor.join(', ')}) `}` +
      `ORDER BY ${keys.join(', ')} LIMIT $2`,
    update:
      `WITH updated AS (UPDATE ${target} t SET ${quote(column)} = ` +
      `overlay(${cell} placing r.block from 1 for ${KEY_BLOCK_BYTES}) ` +
      `FROM unnest($1::bytea[], $2::bytea[], ${arrays.join(', ')}) ` +
      `AS r(head, block, ${columns.join(', ')}) WHERE ${same.join(' AND ')} ` +
      // Compare-and-swap: an envelope that was written meanwhile stays as its writer left it.
      `AND substring(${cell} from 1 for ${HEAD_BYTES}) = r.head RETURNING 1) ` +
      'SELECT count(*)::int AS "count" FROM updated',
  }
}

/** The types of a table's primary key columns, in their order. */
export async function primaryKeyTypes(table: EncryptedTable, query: Query): Promise<string[]> {
  const rows = await query(
    'SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute ' +
      'WHERE attrelid = $1::regclass AND attname = ANY($2::text[])',
    [tableSql(table), table.primaryKey],
  )
  const types = new Map(rows.map(({ name, type }) => [name, type]))
  return table.primaryKey.map((name) => types.get(name) as string)
}
