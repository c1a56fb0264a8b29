import { keyControl } from '../../keys/keyring'
import { envelopeSql } from '../../rotation/envelope-sql'
import { keyIdOf } from '../../rotation/shred-indexes'
import { quote, tableLabel, tablePath } from '../../rotation/table-path'
import type { EncryptedTable, EncryptedTableColumn } from '../../schema'
import { type Found, problem, skipped } from './finding'
import { isCanceled, probeRows, type RowProbe, tooLong } from './row-probe'
import { allWell, type Setup } from './setup'

/** How many subjects with empty index columns are looked up among the shredded. */
const MAX_SUBJECTS = 1_000

/**
 * Token and bucket columns are filled where there is an envelope, and empty where there is none. A row
 * whose token is missing is never found by it; a token that was left behind still tells of its value.
 *
 * Values of a shredded subject have empty index columns, and so may those of an index that is being
 * made by `reindex`; no others.
 */
export async function checkHiddenColumns(setup: Setup): Promise<Found[]> {
  const findings: Found[] = []
  for (const table of setup.tables) {
    const probes = table.columns.flatMap((column) => probesOf(setup, table, column))
    findings.push(...(await probeRows(setup.query, table, probes)))
    for (const column of table.columns.filter(({ subject }) => subject !== null)) {
      findings.push(...(await unexplainedSubjects(setup, table, column)))
    }
  }
  return findings.length > 0
    ? findings
    : allWell(setup, 'index columns', 'are filled where there is an envelope, and nowhere else')
}

function probesOf(
  { catalogue }: Setup,
  table: EncryptedTable,
  described: EncryptedTableColumn,
): RowProbe[] {
  const { column, field, indexColumns, subject: owner } = described
  const asked = askedColumns(described)
  const mayBeNull = (name: string): boolean =>
    catalogue(table)?.columns.find((one) => one.name === name)?.nullable === true
  return indexColumns.flatMap((index) => {
    const subject = `${field} (${tableLabel(table)}.${index})`
    const where = (left: string, right: string): string =>
      `${left} IS NOT NULL AND ${right} IS NULL`
    const row = { envelope: `r.${quote(column)}`, index: `r.${quote(index)}` }
    const left = {
      condition: where(row.index, row.envelope),
      found: problem(
        subject,
        'is filled in a row without a value: it tells of one that is gone',
        `UPDATE ${tablePath(table)} SET ${quote(index)} = NULL WHERE ${quote(column)} IS NULL;`,
      ),
    }
    const lost = {
      condition: where(row.envelope, row.index),
      found: neverWritten(subject, table, { column, index }),
    }
    return [
      ...(mayBeNull(column) ? [left] : []),
      ...(mayBeNull(index) && owner === null && asked.includes(index) ? [lost] : []),
    ]
  })
}

/** Those that queries use by now. */
function askedColumns({ indexColumns, change }: EncryptedTableColumn): readonly string[] {
  const coming = [change?.exact, change?.range].map((one) => one?.beside ?? one?.own)
  return indexColumns.filter((name) => !coming.includes(name))
}

function neverWritten(
  subject: string,
  table: EncryptedTable,
  { column, index }: { column: string; index: string },
): Found {
  const keys = table.primaryKey.map(quote).join(', ')
  return problem(
    subject,
    'is NULL in a row that has a value: queries by it miss the row',
    `SELECT ${keys} FROM ${tablePath(table)} ` +
      `WHERE ${quote(column)} IS NOT NULL AND ${quote(index)} IS NULL; ` +
      '-- then read each of these rows, and update() it with its own value',
  )
}

async function unexplainedSubjects(
  { query, keyring }: Setup,
  table: EncryptedTable,
  described: EncryptedTableColumn,
): Promise<Found[]> {
  const { column, field, form } = described
  const findings: Found[] = []
  for (const index of askedColumns(described)) {
    const subject = `${field} (${tableLabel(table)}.${index})`
    try {
      const { prefix } = envelopeSql(`r.${quote(column)}`, form)
      const rows = await query(
        `SELECT DISTINCT ${keyIdOf(prefix)} AS id FROM ${tablePath(table)} AS r
          WHERE r.${quote(column)} IS NOT NULL AND r.${quote(index)} IS NULL LIMIT ${MAX_SUBJECTS}`,
        [],
      )
      const ids = rows.map(({ id }) => String(id))
      const shredded = ids.length === 0 ? [] : await keyControl(keyring).subjects.tombstones(ids)
      if (shredded.length < ids.length) {
        findings.push(neverWritten(subject, table, { column, index }))
      } else if (ids.length === MAX_SUBJECTS) {
        findings.push(skipped(subject, `is empty for ${MAX_SUBJECTS} subjects, all shredded`, null))
      }
    } catch (error) {
      if (!isCanceled(error)) throw error
      findings.push(tooLong(subject))
    }
  }
  return findings
}
