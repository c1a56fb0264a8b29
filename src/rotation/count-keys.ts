import type { Query } from '../key-store/store'
import type { EncryptedTable, EncryptedTableColumn } from '../schema'
import { envelopeSql, ONCE } from './envelope-sql'
import { underSubjectKey } from './subject-envelope'
import { quote, tablePath } from './table-path'

/** How many values of one column name one key. */
export interface KeyCount {
  readonly column: EncryptedTableColumn
  /** 16 hex digits; null under the keys of subjects, and for values that are no envelope. */
  readonly keyId: string | null
  /** Under keys of subjects: all of a column together, however many subjects there are. */
  readonly subject: boolean
  /** Format version; null for values that are no envelope of any version. */
  readonly format: number | null
  readonly count: number
}

/** How many tokens of one column were made with one generation of its index. */
export interface TokenCount {
  readonly column: EncryptedTableColumn
  /** The column that holds the tokens. */
  readonly tokenColumn: string
  /** The first byte of a token: 1..255; 0 for what is no token. */
  readonly generation: number
  readonly count: number
}

/**
 * Counts the values of a table by the key that they name: one pass over the table in the database,
 * which reads the first 10 bytes of each value. Nothing is authenticated.
 *
 * @returns in the order of the columns, then by key id; NULLs are not counted
 */
export async function countKeys(query: Query, table: EncryptedTable): Promise<KeyCount[]> {
  const rows = await query(countStatement(table, []), [])
  return rows.map((row) => keyCount(table.columns, row))
}

/**
 * Counts the values of a table, and the tokens of its exact indexes by their generation: one pass over
 * the table as well. See {@link countKeys}.
 */
export async function countValues(
  query: Query,
  table: EncryptedTable,
): Promise<{ readonly values: readonly KeyCount[]; readonly tokens: readonly TokenCount[] }> {
  const places = tokenPlaces(table)
  const values: KeyCount[] = []
  const tokens: TokenCount[] = []
  for (const row of await query(countStatement(table, places), [])) {
    const token = places[Number(row.place) - table.columns.length]
    if (token === undefined) values.push(keyCount(table.columns, row))
    else {
      const generation = Number.parseInt(String(row.mark), 16) || 0
      tokens.push({ ...token, generation, count: Number(row.count) })
    }
  }
  return { values, tokens }
}

type TokenPlace = Pick<TokenCount, 'column' | 'tokenColumn'>
type Row = Record<string, unknown>

/** While an index changes, tokens of both generations are stored. */
function tokenPlaces({ columns }: EncryptedTable): TokenPlace[] {
  return columns.flatMap((column) => {
    const { own, beside } = column.change?.exact ?? { own: null, beside: null }
    const names = new Set([column.exactColumn, own, beside])
    return [...names].flatMap((tokenColumn) =>
      tokenColumn === null ? [] : [{ column, tokenColumn }],
    )
  })
}

function keyCount(columns: readonly EncryptedTableColumn[], row: Row): KeyCount {
  const { place, mark, key_id: keyId, subject, count } = row
  return {
    column: columns[Number(place)] as EncryptedTableColumn,
    keyId: typeof keyId === 'string' ? keyId : null,
    subject: subject === true,
    format: typeof mark === 'string' ? Number.parseInt(mark, 16) & 0x0f : null,
    count: Number(count),
  }
}

/** Of an envelope: magic, flags, key id. Of a token: its generation. */
const HEAD = { envelope: 10, token: 1 }
/** What is kept of an envelope under the key of a subject: no key id, so that all of them are one group. */
const SUBJECT_PREFIX = 2

/**
 * Bytes 0 to 9 of every envelope, found through `substring`: unlike `get_byte` on the value it
 * does not fetch a large value from its TOAST table. What is no envelope becomes one group, however
 * many different values there are. Grouped as the bytes they are: to write each of them as text first
 * took two thirds of the time.
 *
 * @see docs/format.md "Envelope"
 */
function countStatement(table: EncryptedTable, tokens: readonly TokenPlace[]): string {
  const { columns } = table
  const envelopes = columns.map(
    ({ column, form }) => envelopeSql(`r.${quote(column)}`, form).prefix,
  )
  const values = [
    ...envelopes.map((prefix, place) => `(${place}, ${prefix}, ${HEAD.envelope})`),
    ...tokens.map(
      ({ tokenColumn }, at) => `(${columns.length + at}, r.${quote(tokenColumn)}, ${HEAD.token})`,
    ),
  ]
  const once = columns.some(({ form }) => form === 'text') ? ONCE : ''
  return `SELECT g.place, encode(substring(g.prefix from 1 for 1), 'hex') AS mark, s.subject,
      CASE WHEN NOT s.subject THEN encode(substring(g.prefix from 3 for 8), 'hex') END AS key_id,
      sum(g.count)::text AS count
    FROM (SELECT v.place, e.prefix, count(*) AS count
      FROM ${tablePath(table)} AS r
      CROSS JOIN LATERAL (VALUES ${values.join(', ')}) AS v(place, value, head)
      CROSS JOIN LATERAL (SELECT substring(v.value from 1 for v.head) AS bytes ${once}) AS b
      CROSS JOIN LATERAL (SELECT CASE WHEN v.head = ${HEAD.token} THEN b.bytes
        WHEN octet_length(b.bytes) = ${HEAD.envelope}
          AND b.bytes >= decode('e0', 'hex') AND b.bytes < decode('f0', 'hex')
        THEN CASE WHEN ${underSubjectKey('b.bytes')}
          THEN substring(b.bytes from 1 for ${SUBJECT_PREFIX}) ELSE b.bytes END
        END AS prefix) AS e
      WHERE v.value IS NOT NULL GROUP BY v.place, e.prefix) AS g
    CROSS JOIN LATERAL (SELECT coalesce(octet_length(g.prefix) = ${SUBJECT_PREFIX}, false) AS subject)
      AS s
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 4, 3, 2`
}
