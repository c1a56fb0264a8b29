import { parseHead } from '../envelope/format'
import { type StoredForm, toStored } from '../envelope/stored-form'
import type { Query } from '../key-store/store'
import type { EncryptedTable, EncryptedTableColumn } from '../schema'
import { envelopeSql } from './envelope-sql'
import { countTask } from './job/count-task'
import type { ParameterRow } from './job/page-parameters'
import { parameterRows } from './job/parameter-rows'
import type { ReplacedColumn } from './job/replace-rows'
import type { RowSource, TaskCount } from './job/table-task'
import { subjectColumns } from './opened-page'
import type { ResealedValue } from './seal-rows'
import { keyIdOf } from './shred-indexes'
import { quote } from './table-path'

/** Ids of the keys whose values are meant, 16 hex digits each; null for all values. */
export type WantedKeys = readonly string[] | null

/** Rows with values that are meant: `e1`… as they are stored. */
export function wantedEnvelopes(table: EncryptedTable, keyIds: WantedKeys): RowSource {
  const { columns } = table
  return {
    select: [
      ...columns.map(
        (column, i) =>
          `CASE WHEN ${isWanted(column, keyIds)} THEN ${nameOf(column)} END AS e${i + 1}`,
      ),
      ...subjectColumns(table),
    ],
    joins: '',
    where: columns.map((column) => isWanted(column, keyIds)).join(' OR '),
    bytes: columns
      .map((column) => `coalesce(octet_length(${nameOf(column)}), 0)::bigint`)
      .join(' + '),
    parameters: keyIds === null ? [] : [keyIds],
  }
}

/** One pass over the table in the database. */
export async function countWanted(
  query: Query,
  table: EncryptedTable,
  keyIds: WantedKeys,
): Promise<TaskCount> {
  return countTask(
    query,
    table,
    {
      total: (column) => isWanted(column, keyIds),
      current: (column) => `${nameOf(column)} IS NOT NULL AND NOT (${isWanted(column, keyIds)})`,
    },
    keyIds === null ? [] : [keyIds],
  )
}

function isWanted(column: EncryptedTableColumn, keyIds: WantedKeys): string {
  if (keyIds === null) return `${nameOf(column)} IS NOT NULL`
  const { prefix } = envelopeSql(nameOf(column), column.form)
  return `${keyIdOf(prefix)} = ANY ($1::text[])`
}

function nameOf({ column }: EncryptedTableColumn): string {
  return `r.${quote(column)}`
}

/** Longer than any head, in either form: what tells two envelopes of one field apart. */
const HEAD_CHARACTERS = 1536

/**
 * Replaces envelopes whose heads are still those that were read, `o1`…, by new ones, `n1`…; all of a row
 * or none, so that its fields keep sharing a DEK. Of fields with a subject, while the row has the one
 * that was read, `s1`…
 */
export function replacedEnvelopes({ columns }: EncryptedTable): ReplacedColumn[] {
  const isRow = columns
    .map((column, i) => `(p.o${i + 1} IS NULL OR ${isRead(column, i)})`)
    .join(' AND ')
  return columns.map((column, i) => {
    const [read, made, owner] = [`o${i + 1}`, `n${i + 1}`, `s${i + 1}`]
    const { form: type } = column
    const begin = (value: string): string => `substring(${value} from 1 for ${HEAD_CHARACTERS})`
    return {
      parameters: [
        { name: read, type },
        { name: made, type },
        ...(column.subject ? [{ name: owner, type: 'text' }] : []),
      ],
      wanted: `p.${made} IS NOT NULL`,
      unchanged: `(p.${made} IS NOT NULL AND ${isRow})`,
      assign: { [column.column]: `p.${made}` },
      written: `${begin(nameOf(column))} = ${begin(`p.${made}`)}`,
    }
  })
}

function isRead(column: EncryptedTableColumn, i: number): string {
  const head = `substring(${nameOf(column)} from 1 for length(p.o${i + 1})) = p.o${i + 1}`
  if (column.subject === null) return head
  return `${head} AND r.${quote(column.subject.column)}::text = p.s${i + 1}`
}

/** The parameters of {@link replacedEnvelopes}, for all rows that have a value to be replaced. */
export function replacedRows(
  { columns }: EncryptedTable,
  values: readonly ResealedValue[],
): ParameterRow[] {
  return parameterRows(
    values.map(({ value: { row, stored }, envelope }) => {
      return { row, at: stored.place, stored, envelope }
    }),
    columns.map(({ form, subject }, place) => (value) => [
      value ? storedHead(value.stored.envelope, form) : null,
      value ? toStored(value.envelope, form) : null,
      ...(subject === null ? [] : [value ? String(value.row.values[`s${place + 1}`]) : null]),
    ]),
  )
}

/** Of a text the digits that hold whole bytes of the head: all but one or two. */
function storedHead(envelope: Buffer, form: StoredForm): string | Buffer {
  const { head } = parseHead(envelope)
  return toStored(form === 'text' ? head.subarray(0, head.length - (head.length % 3)) : head, form)
}
