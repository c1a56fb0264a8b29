import { TAG_BYTES } from '../crypto/aead'
import {
  COMMITMENT_BYTES,
  HEAD_BYTES,
  MAX_CIPHERTEXT_BYTES,
  MAX_PROVIDER_WRAP_BYTES,
  OVERHEAD_BYTES,
  WRAP_OFFSET,
} from '../envelope/format'
import type { EncryptedTable, EncryptedTableColumn } from '../schema'
import { type EnvelopeSql, envelopeSql, ONCE } from './envelope-sql'
import type { ReplacedColumn } from './job/replace-rows'
import type { RowSource } from './job/table-task'
import { underSubjectKey } from './subject-envelope'
import { quote } from './table-path'

/** Magic, flags, key id and the length of a provider's blob. */
const PREFIX_BYTES = WRAP_OFFSET + 2
/** All but the blob of a head under a provider's key; see docs/format.md "Envelope". */
const REST_OF_HEAD_BYTES = PREFIX_BYTES + COMMITMENT_BYTES
const MAX_HEAD_BYTES = REST_OF_HEAD_BYTES + MAX_PROVIDER_WRAP_BYTES

/**
 * Rows that hold a value under another key than the target, those of subjects left out: `h1`… the head
 * of each column, as {@link envelopeHeads} reads it.
 */
export function staleHeads(table: EncryptedTable, targetId: string): RowSource {
  const { select, joins, prefixes } = envelopeHeads(table, 'h', 0)
  const stale = prefixes.map(
    (prefix) =>
      `(substring(${prefix} from 3 for 8) <> decode($1, 'hex') AND NOT ${underSubjectKey(prefix)})`,
  )
  return { select, joins, where: stale.join(' OR '), parameters: [targetId] }
}

/** What of a SELECT reads the heads of a table's envelopes. */
interface HeadsSql extends Pick<RowSource, 'select' | 'joins'> {
  /** The first bytes of each column, see `EnvelopeSql`. */
  readonly prefixes: readonly string[]
}

/**
 * The head of each column, magic to commitment, empty where the value cannot be an envelope by its first
 * byte or length; a single byte where it is that of the column before, and nothing behind it is read: fields
 * that were written together have one.
 *
 * @param name - what they are called, with the place of the column from 1 on
 * @param behind - as many bytes behind the head as well, at most 17: each envelope has these
 */
export function envelopeHeads(table: EncryptedTable, name: string, behind: number): HeadsSql {
  const [decoding, columns] = decodedOnce(table.columns.map(envelopeColumn))
  const lengths = columns.map((column, i) => `${headBytes(column)} AS n${i + 1}`)
  return {
    select: columns.map((column, i) => {
      const before = behind === 0 ? (columns[i - 1] ?? null) : null
      return `${headWithin(column, i, behind, before)} AS ${name}${i + 1}`
    }),
    joins: `${decoding} CROSS JOIN LATERAL (SELECT ${lengths.join(', ')}) AS l`,
    prefixes: columns.map(({ prefix }) => prefix),
  }
}

/** Replaces a head that is still the one that was read by a new key block: `o1`, `n1`. */
export function replacedHead(column: EncryptedTableColumn, i: number): ReplacedColumn {
  const { name, bytes, stored } = envelopeColumn(column)
  const [read, block] = [`o${i + 1}`, `n${i + 1}`]
  const replaced = `overlay(${bytes} placing
        p.${block} from 1 for octet_length(p.${read}) - ${COMMITMENT_BYTES})`
  return {
    parameters: [
      { name: read, type: 'bytea' },
      { name: block, type: 'bytea' },
    ],
    wanted: `p.${block} IS NOT NULL`,
    unchanged: `substring(${bytes} from 1 for octet_length(p.${read})) = p.${read}`,
    assign: { [name]: stored(replaced) },
    written: `substring(${bytes} from 1 for octet_length(p.${block})) = p.${block}`,
  }
}

function envelopeColumn({ column, form }: EncryptedTableColumn): EnvelopeColumn {
  return { name: column, form, ...envelopeSql(`r.${quote(column)}`, form) }
}

interface EnvelopeColumn extends EnvelopeSql {
  readonly name: string
  readonly form: EncryptedTableColumn['form']
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

/**
 * What does not begin as an envelope may be plaintext, and does not leave the database. Nearly all heads are
 * of the first kind, which is told by few comparisons: the others took a third of the time of the whole
 * statement.
 */
function headWithin(
  column: EnvelopeColumn,
  i: number,
  behind: number,
  before: EnvelopeColumn | null,
): string {
  const { prefix, length, bytes } = column
  const mark = `substring(${prefix} from 1 for 1)`
  const head = `l.n${i + 1}`
  const first = (count: string | number): string => `substring(${bytes} from 1 for ${count})`
  return `CASE
    ${before === null ? '' : `WHEN ${isSameHead(column, before)} THEN decode('00', 'hex')`}
    WHEN ${isLocal(column)} THEN ${first(HEAD_BYTES + behind)}
    WHEN ${head} <= ${MAX_HEAD_BYTES} AND ${mark} >= decode('e0', 'hex') AND ${mark} < decode('f0', 'hex')
      AND ${length} - ${head} - ${TAG_BYTES} BETWEEN 1 AND ${MAX_CIPHERTEXT_BYTES}
    THEN ${first(`${head} + ${behind}`)} ELSE ${first(0)} END`
}

function isLocal({ prefix, length }: EnvelopeColumn): string {
  return `(substring(${prefix} from 1 for 2) BETWEEN decode('e100', 'hex') AND decode('e103', 'hex')
      AND ${length} BETWEEN ${OVERHEAD_BYTES + 1} AND ${OVERHEAD_BYTES + MAX_CIPHERTEXT_BYTES})`
}

/** Not of text columns, which would be decoded for it. */
function isSameHead(column: EnvelopeColumn, before: EnvelopeColumn): string {
  if (column.form === 'text' || before.form === 'text') return 'FALSE'
  const [own, other] = [column, before].map(({ bytes }) => {
    return `substring(${bytes} from 1 for ${HEAD_BYTES})`
  })
  return `${own} = ${other} AND ${isLocal(column)} AND ${isLocal(before)}`
}
