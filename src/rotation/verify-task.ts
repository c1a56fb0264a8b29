import { attempt } from '../envelope/one-value'
import { openMany, unlockMany } from '../envelope/open-many'
import { fromStored } from '../envelope/stored-form'
import { isMortiseError, type MortiseErrorCode } from '../errors'
import type { Query } from '../key-store/store'
import type { KeyAccess } from '../keys/access'
import type { EncryptedTable, EncryptedTableColumn } from '../schema'
import { keyColumns } from './job/key-columns'
import type { PageWork, RowSource, SourceRow, TableTask } from './job/table-task'
import {
  failureOf,
  type OpenedValue,
  openPage,
  type RowOpening,
  subjectColumns,
} from './opened-page'
import { countWanted } from './reencrypt-statements'
import { envelopeHeads } from './rewrap-statements'
import { type StoredIndex, storedIndexes } from './stored-indexes'
import { quote } from './table-path'

/** What a verification needs. */
export interface VerifyContext {
  readonly query: Query
  readonly access: KeyAccess
  /** Whether values are opened, and their index columns made anew and compared. */
  readonly open: boolean
}

/** The index columns of each field of a table. */
type TableIndexes = readonly (readonly StoredIndex[])[]

interface VerifiedTable {
  readonly table: EncryptedTable
  /** As they were when the job began. */
  readonly indexes: TableIndexes
  /** What they may hold by now, where a `reindex` changes them meanwhile; the columns are the same. */
  readonly indexesNow: () => Promise<TableIndexes>
  readonly open: boolean
}

/**
 * Verifies the values of one table and writes none.
 *
 * @throws ERR_CONFIG where the table or a column of its primary key does not exist
 */
export async function verifyTask(
  { query, access, open }: VerifyContext,
  table: EncryptedTable,
): Promise<TableTask> {
  const keys = await keyColumns(query, table)
  const indexesNow = () => Promise.all(table.columns.map((column) => storedIndexes(access, column)))
  const verified = { table, indexes: await indexesNow(), indexesNow, open }
  const { domain } = access
  const opening: RowOpening<unknown> = {
    ...{ access, keys, columns: table.columns },
    envelopeOf: (stored, { form, field }) => fromStored(stored, open ? form : 'bytea', field),
    contextOf: (place) => (table.columns[place] as EncryptedTableColumn).definition.context(domain),
    open: open ? openMany : unlockMany,
  }
  return {
    ...{ table, keys },
    source: verifiedRows(verified),
    count: () => countWanted(query, table, null),
    work: (rows) => verifyPage(verified, opening, rows),
  }
}

/** A ciphertext of one byte and its tag: with these, a head is an envelope as far as lengths tell. */
const BEHIND_HEAD = 17

/** `e1`… what is stored of each field, and `i1_1`… its index columns as text. */
function verifiedRows({ table, indexes, open }: VerifiedTable): RowSource {
  const names = table.columns.map(({ column }) => `r.${quote(column)}`)
  const heads = open
    ? { select: names.map((name, i) => `${name} AS e${i + 1}`), joins: '' }
    : envelopeHeads(table, 'e', BEHIND_HEAD)
  const texts = indexes.flatMap((ofField, i) =>
    ofField.map(({ column, text }, j) => {
      const isThere = `CASE WHEN r.${quote(column)} IS NOT NULL THEN '' END`
      return `${open ? text : isThere} AS ${nameOf(i, j)}`
    }),
  )
  const columns = [...names, ...indexes.flat().map(({ column }) => `r.${quote(column)}`)]
  const sizes = names.map((name) => `coalesce(octet_length(${name}), 0)::bigint`)
  return {
    select: [...heads.select, ...subjectColumns(table), ...texts],
    joins: heads.joins,
    where: columns.map((column) => `${column} IS NOT NULL`).join(' OR '),
    ...(open ? { bytes: sizes.join(' + ') } : {}),
    parameters: [],
  }
}

function nameOf(place: number, index: number): string {
  return `i${place + 1}_${index + 1}`
}

async function verifyPage(
  verified: VerifiedTable,
  opening: RowOpening<unknown>,
  rows: readonly SourceRow[],
): Promise<PageWork> {
  const { opened, shredded, failed } = await openPage(opening, rows)
  const mismatches = await findMismatches(verified, opened)
  const wrong = [...failed.map((one) => failureOf(one, one.code)), ...mismatches]
  let values = opened.length - mismatches.length
  for (const value of shredded) {
    if (indexesAreEmpty(verified, value)) values += 1
    else wrong.push(failureOf(value, 'ERR_INDEX_MISMATCH'))
  }
  for (const row of rows) {
    for (const [place, column] of verified.table.columns.entries()) {
      const isNull = (row.values[`e${place + 1}`] ?? null) === null
      if (isNull && !indexesAreEmpty(verified, { row, place })) {
        wrong.push(failureOf({ row, column }, 'ERR_INDEX_MISMATCH'))
      }
    }
  }
  return { values, failed: wrong, write: async () => ({ done: values, left: [] }) }
}

interface Place {
  readonly row: SourceRow
  readonly place: number
}

async function findMismatches(
  { indexes, indexesNow, open }: VerifiedTable,
  opened: readonly OpenedValue<unknown>[],
): Promise<ReturnType<typeof failureOf>[]> {
  const doubted = opened.filter((value) => mismatchOf(indexes, open, value) !== null)
  if (doubted.length === 0) return []
  const now = await indexesNow()
  return doubted.flatMap((value) => {
    const code = mismatchOf(now, open, value)
    return code === null ? [] : [failureOf(value.stored, code)]
  })
}

/** A value that was not opened can only say whether there is something in its index columns. */
function mismatchOf(
  indexes: TableIndexes,
  open: boolean,
  { stored: { row, place }, opened }: OpenedValue<unknown>,
): MortiseErrorCode | null {
  const fits = attempt(() =>
    (indexes[place] ?? []).every((index, j) => {
      const indexed = indexAt(row, place, j)
      return open ? index.fits(indexed, opened) : indexed !== null || index.mayBeNull
    }),
  )
  if (isMortiseError(fits)) return fits.code
  return fits ? null : 'ERR_INDEX_MISMATCH'
}

function indexesAreEmpty({ indexes }: VerifiedTable, { row, place }: Place): boolean {
  return (indexes[place] ?? []).every((_, j) => indexAt(row, place, j) === null)
}

function indexAt({ values }: SourceRow, place: number, index: number): string | null {
  const stored = values[nameOf(place, index)]
  return typeof stored === 'string' ? stored : null
}
