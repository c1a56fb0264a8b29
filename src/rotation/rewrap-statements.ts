import { TAG_BYTES } from '../crypto/aead'
import {
  COMMITMENT_BYTES,
  HEAD_BYTES,
  MAX_CIPHERTEXT_BYTES,
  MAX_PROVIDER_WRAP_BYTES,
  WRAP_OFFSET,
} from '../envelope/format'
import type { StoredForm } from '../envelope/stored-form'
import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'
import type { EncryptedTable } from '../schema'
import { type EnvelopeSql, envelopeSql, ONCE } from './envelope-sql'
import { underSubjectKey } from './subject-envelope'
import { quote, tableLabel, tablePath } from './table-path'

/**
 * The statements of a rewrap over one table. Values of primary keys travel as text and are cast to
 * the column's own type, so that any type works with any driver and finds its index.
 */
export interface RewrapStatements {
  /**
   * A page of rows that hold a value under another key, those of subjects left out: `k1`… the primary
   * key, `h1`… the head of each column, magic to commitment, empty where the value cannot be an
   * envelope by its first byte or length.
   * Parameters: the target's key id as hex, the limit; with `after` the last primary key.
   */
  page(after: boolean): string
  /**
   * Replaces key blocks. Parameters: arrays of the primary key's columns, then for each encrypted
   * column one of old heads and one of new key blocks, as hex, NULL where it stays. Answers with
   * `written`, the number of values replaced.
   */
  readonly replace: string
}

/** Magic, flags, key id and the length of a provider's blob. */
const PREFIX_BYTES = WRAP_OFFSET + 2
/** All but the blob of a head under a provider's key; see docs/format.md "Envelope". */
const REST_OF_HEAD_BYTES = PREFIX_BYTES + COMMITMENT_BYTES
const MAX_HEAD_BYTES = REST_OF_HEAD_BYTES + MAX_PROVIDER_WRAP_BYTES

const COLUMN_TYPES = `SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type
  FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = to_regclass($1::text) AND a.attname::text = ANY ($2::text[])
    AND a.attnum > 0 AND NOT a.attisdropped`

/**
 * Looks up the types of a table's primary key and writes the statements.
 *
 * @throws ERR_CONFIG where the table or a column of its primary key does not exist
 */
export async function rewrapStatements(
  query: Query,
  table: EncryptedTable,
): Promise<RewrapStatements> {
  const rows = await query(COLUMN_TYPES, [tablePath(table), table.primaryKey])
  const types = new Map(rows.map(({ name, type }) => [name, String(type)]))
  const keys = table.primaryKey.map((name) => {
    const type = types.get(name)
    if (type === undefined) throw missingColumn(table, name)
    return { name: quote(name), type }
  })
  const path = tablePath(table)
  const columns = table.columns.map(({ column, form }) => {
    const name = quote(column)
    return { name, form, ...envelopeSql(`r.${name}`, form) }
  })
  return {
    page: (after) => pageStatement(path, keys, columns, after),
    replace: replaceStatement(path, keys, columns),
  }
}

interface KeyColumn {
  readonly name: string
  readonly type: string
}

interface EnvelopeColumn extends EnvelopeSql {
  readonly name: string
  readonly form: StoredForm
}

/** The prefixes of text columns, decoded once for each row: a join, and columns that name them. */
function decodedOnce(columns: readonly EnvelopeColumn[]): [string, EnvelopeColumn[]] {
  if (columns.every(({ form }) => form === 'bytea')) return ['', [...columns]]
  const prefixes = columns.map(({ prefix }, i) => `${prefix} AS p${i + 1}`)
  return [
    `CROSS JOIN LATERAL (SELECT ${prefixes.join(', ')} ${ONCE}) AS p`,
    columns.map((column, i) => ({ ...column, prefix: `p.p${i + 1}` })),
  ]
}

/** `ORDER BY` and the row comparison use the column's collation alike, whatever it is. */
function pageStatement(
  path: string,
  keys: readonly KeyColumn[],
  stored: readonly EnvelopeColumn[],
  after: boolean,
): string {
  const [decoding, columns] = decodedOnce(stored)
  const stale = columns.map(
    ({ prefix }) =>
      `(substring(${prefix} from 3 for 8) <> decode($1, 'hex') AND NOT ${underSubjectKey(prefix)})`,
  )
  const names = keys.map(({ name }) => `r.${name}`).join(', ')
  const cursor = keys.map(({ type }, i) => `$${i + 3}::text::${type}`).join(', ')
  return `SELECT ${[
    ...keys.map(({ name }, i) => `r.${name}::text AS k${i + 1}`),
    ...columns.map(
      (column, i) => `substring(${column.bytes} from 1 for ${headWithin(column, i)}) AS h${i + 1}`,
    ),
  ].join(', ')}
    FROM ${path} AS r ${decoding}
    CROSS JOIN LATERAL (SELECT ${columns.map((column, i) => `${headBytes(column)} AS n${i + 1}`)}) AS l
    WHERE (${stale.join(' OR ')})${after ? ` AND (${names}) > (${cursor})` : ''}
    ORDER BY ${names} LIMIT $2::integer`
}

/** How long the head is that a value's first bytes announce. */
function headBytes(column: EnvelopeColumn): string {
  const prefix = `substring(${column.prefix} from 1 for ${PREFIX_BYTES})`
  const flags = `substring(${column.prefix} from 2 for 1)`
  return `CASE WHEN ${flags} BETWEEN decode('08', 'hex') AND decode('0b', 'hex')
      AND octet_length(${prefix}) = ${PREFIX_BYTES}
    THEN ${REST_OF_HEAD_BYTES} + 256 * get_byte(${prefix}, ${WRAP_OFFSET})
      + get_byte(${prefix}, ${WRAP_OFFSET + 1})
    ELSE ${HEAD_BYTES} END`
}

/** What does not begin as an envelope may be plaintext, and does not leave the database. */
function headWithin({ prefix, length }: EnvelopeColumn, i: number): string {
  const mark = `substring(${prefix} from 1 for 1)`
  const head = `l.n${i + 1}`
  return `CASE
    WHEN ${head} <= ${MAX_HEAD_BYTES} AND ${mark} >= decode('e0', 'hex') AND ${mark} < decode('f0', 'hex')
      AND ${length} - ${head} - ${TAG_BYTES} BETWEEN 1 AND ${MAX_CIPHERTEXT_BYTES}
    THEN ${head} ELSE 0 END`
}

/**
 * Rows are locked in the order of their key, and those that somebody else has locked are passed by:
 * the application never waits in a deadlock for this statement. A value whose head is not the one
 * that was read belongs to a later writer and stays. One statement is one transaction.
 */
function replaceStatement(
  path: string,
  keys: readonly KeyColumn[],
  columns: readonly EnvelopeColumn[],
): string {
  const k = keys.map((_, i) => `k${i + 1}`)
  const parameters = [...k, ...columns.flatMap((_, i) => [`o${i + 1}`, `n${i + 1}`])]
  const sameRow = keys.map(({ name, type }, i) => `r.${name} = p.k${i + 1}::${type}`).join(' AND ')
  const unchanged = columns.map(
    ({ bytes }, i) => `substring(${bytes} from 1 for octet_length(p.o${i + 1})) = p.o${i + 1}`,
  )
  const assignments = columns.map(({ name, bytes, stored }, i) => {
    const replaced = `overlay(${bytes} placing
        p.n${i + 1} from 1 for octet_length(p.o${i + 1}) - ${COMMITMENT_BYTES})`
    return `${name} = CASE WHEN ${unchanged[i]} THEN ${stored(replaced)} ELSE r.${name} END`
  })
  const written = columns.map(
    ({ bytes }, i) => `CASE WHEN substring(${bytes} from 1 for octet_length(p.n${i + 1}))
      = p.n${i + 1} THEN 1 ELSE 0 END`,
  )
  const decoded = columns.flatMap((_, i) =>
    [`o${i + 1}`, `n${i + 1}`].map((name) => `decode(u.${name}, 'hex') AS ${name}`),
  )
  return `WITH page AS (
      SELECT ${[...k, ...decoded].join(', ')}
        FROM unnest(${parameters.map((_, i) => `$${i + 1}::text[]`).join(', ')})
        AS u(${parameters.join(', ')})
    ), locked AS (
      SELECT p.* FROM page p JOIN ${path} r ON ${sameRow}
      ORDER BY ${keys.map(({ name }) => `r.${name}`).join(', ')} FOR NO KEY UPDATE OF r SKIP LOCKED
    ), changed AS (
      UPDATE ${path} r SET ${assignments.join(', ')}
      FROM locked p WHERE ${sameRow} AND (${unchanged.join(' OR ')})
      RETURNING ${written.join(' + ')} AS written
    ) SELECT coalesce(sum(written), 0)::text AS written FROM changed`
}

function missingColumn(table: EncryptedTable, column: string): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `the database has no column ${column} in table ${tableLabel(table)}: run the migrations first`,
  )
}
