import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'
import { leftBehind } from '../keys/index-stage'
import { keyAccess } from '../keys/keyring'
import { UUID } from '../keys/subject-id'
import type { EncryptedSchema, EncryptedTable, EncryptedTableColumn } from '../schema'
import { envelopeSql } from './envelope-sql'
import { refuseHiddenRows } from './hidden-rows'
import type { ShreddedTable } from './shred-certificate'
import { quote, tableLabel, tablePath } from './table-path'

/** Flags with b2: the key id names a subject key. b2 with b3 is invalid. */
function hasSubjectFlags(value: string): string {
  return `substring(${value} from 2 for 1) IN ('\\x04', '\\x05', '\\x06', '\\x07')`
}

/**
 * The ids of all subject keys that values in the rows of a subject name: those that were destroyed
 * before are found nowhere else.
 *
 * @param subject - canonical
 */
export async function keyIdsInRows(
  { tables, query }: EncryptedSchema,
  subject: string,
): Promise<Set<string>> {
  const ids = new Set<string>()
  for (const table of tables) {
    for (const [column, fields] of bySubjectColumn(table)) {
      const rows = await query(keyIdsStatement(table, column, fields, subject), [subject])
      for (const { id } of rows) ids.add(String(id))
    }
  }
  return ids
}

/**
 * Empties the index columns of every value that names one of the keys: one pass over each table that
 * has such columns, and one statement and transaction for it. Rows that are clear stay untouched.
 *
 * @param keyIds - 16 hex digits each
 * @throws ERR_CONFIG, ERR_INDEX_CHANGED where it could not empty all of them; nothing was done
 */
export async function clearIndexes(
  schema: EncryptedSchema,
  keyIds: readonly string[],
): Promise<ShreddedTable[]> {
  await checkAllIsCleared(schema)
  const { tables, query } = schema
  const cleared: ShreddedTable[] = []
  for (const table of tables) {
    const fields = table.columns.filter(hasSubjectIndexes)
    if (fields.length === 0) continue
    const clearedRows = keyIds.length === 0 ? 0 : await clearTable(query, table, fields, keyIds)
    cleared.push({ table: tableLabel(table), clearedRows })
  }
  return cleared
}

/**
 * Refuses to shred where tokens of the subject would stay: in rows that this role does not see, and in
 * columns of a `reindex` that this process does not take part in.
 *
 * @throws ERR_CONFIG naming the tables whose rows may be hidden
 * @throws ERR_INDEX_CHANGED naming the field that is being reindexed
 */
async function checkAllIsCleared({ keyring, tables, query }: EncryptedSchema): Promise<void> {
  const affected = tables.filter(({ columns }) => columns.some(hasSubjectIndexes))
  if (affected.length === 0) return
  await refuseHiddenRows(query, affected)
  const access = keyAccess(keyring)
  for (const { definition } of affected.flatMap(({ columns }) =>
    columns.filter(hasSubjectIndexes),
  )) {
    await access.declareIndexes([definition.declaration])
    const { mayWrite } = await access.indexStage(definition.fieldId)
    if (!mayWrite) throw leftBehind(definition.fieldId, 'write')
  }
}

function hasSubjectIndexes({ subject, indexColumns }: EncryptedTableColumn): boolean {
  return subject !== null && indexColumns.length > 0
}

async function clearTable(
  query: Query,
  table: EncryptedTable,
  fields: readonly EncryptedTableColumn[],
  keyIds: readonly string[],
): Promise<number> {
  const [row] = await query(clearStatement(table, fields), [keyIds])
  return Number(row?.cleared ?? 0)
}

function bySubjectColumn({ columns }: EncryptedTable): Map<string, EncryptedTableColumn[]> {
  const groups = new Map<string, EncryptedTableColumn[]>()
  for (const field of columns) {
    const subjectColumn = field.subject?.column
    if (subjectColumn !== undefined) {
      groups.set(subjectColumn, [...(groups.get(subjectColumn) ?? []), field])
    }
  }
  return groups
}

function keyIdsStatement(
  table: EncryptedTable,
  subjectColumn: string,
  fields: readonly EncryptedTableColumn[],
  subject: string,
): string {
  const values = fields.map((field) => `(${prefixOf(field)})`).join(', ')
  return `SELECT DISTINCT ${keyIdOf('v.value')} AS id FROM ${tablePath(table)} AS r
    CROSS JOIN LATERAL (VALUES ${values}) AS v(value)
    WHERE ${isSubject(subjectColumn, subject)}
      AND ${hasSubjectFlags('v.value')}`
}

/** Whether the row `r` belongs to the subject that is `$1`. */
function isSubject(subjectColumn: string, subject: string): string {
  const stored = `r.${quote(subjectColumn)}::text`
  return `${UUID.test(subject) ? `lower(${stored})` : stored} = $1::text`
}

/**
 * Refuses to shred a subject while values of it are kept in clear as well, in columns that are being
 * adopted: what destroying a key leaves readable would not be erased.
 *
 * @throws ERR_ADOPTION naming the property and what to do
 */
export async function checkNothingInClear(
  { tables, query }: EncryptedSchema,
  subject: string,
): Promise<void> {
  for (const table of tables) {
    for (const { field, adopted, subject: owner } of table.columns) {
      if (!adopted || !owner) continue
      const { plainColumn } = adopted.place
      const [found] = await query(
        `SELECT EXISTS (SELECT 1 FROM ${tablePath(table)} AS r WHERE ${isSubject(owner.column, subject)}
          AND r.${quote(plainColumn)} IS NOT NULL) AS held`,
        [subject],
      )
      if (found?.held === false) continue
      throw new MortiseError(
        'ERR_ADOPTION',
        `${field} is being adopted, and column ${plainColumn} still holds values of this subject in ` +
          "clear: set the property to null in its rows first, or finish the adoption ('sealed')",
        { field },
      )
    }
  }
}

function clearStatement(table: EncryptedTable, fields: readonly EncryptedTableColumn[]): string {
  const assignments = fields.flatMap((field) =>
    field.indexColumns.map((name) => {
      const index = quote(name)
      return `${index} = CASE WHEN ${namesKey(field)} THEN NULL ELSE r.${index} END`
    }),
  )
  const conditions = fields.map((field) => {
    const filled = field.indexColumns.map((name) => `r.${quote(name)} IS NOT NULL`).join(' OR ')
    return `(${namesKey(field)} AND (${filled}))`
  })
  return `WITH cleared AS (
      UPDATE ${tablePath(table)} AS r SET ${assignments.join(', ')}
      WHERE ${conditions.join(' OR ')} RETURNING 1
    ) SELECT count(*)::text AS cleared FROM cleared`
}

function prefixOf({ column, form }: EncryptedTableColumn): string {
  return envelopeSql(`r.${quote(column)}`, form).prefix
}

function namesKey(field: EncryptedTableColumn): string {
  const value = prefixOf(field)
  return `(${keyIdOf(value)} = ANY ($1::text[]) AND ${hasSubjectFlags(value)})`
}

/** The key id that a bytea expression names, as 16 hex digits. */
export function keyIdOf(value: string): string {
  return `encode(substring(${value} from 3 for 8), 'hex')`
}
