import { MortiseError } from '../../errors'
import type { Query } from '../../key-store/store'
import { tableLabel, tablePath } from '../table-path'
import {
  type ChangingColumn,
  type ChangingTable,
  pairedColumns,
  writtenColumns,
} from './changing-table'

const COLUMNS = `SELECT a.attname::text AS name, EXISTS (SELECT 1 FROM pg_catalog.pg_index i
    WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid
      AND a.attnum = ANY (i.indkey)) AS is_unique
  FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped`

/**
 * Refuses a change whose columns, or whose unique constraint, the database does not have: writes of the
 * application would fail, or uniqueness would not be kept.
 *
 * @throws ERR_CONFIG naming the column and the fix
 */
export async function checkChangeColumns(
  query: Query,
  tables: readonly ChangingTable[],
): Promise<void> {
  for (const table of tables) {
    const rows = await query(COLUMNS, [tablePath(table)])
    const unique = new Map(rows.map(({ name, is_unique: isUnique }) => [String(name), isUnique]))
    for (const column of table.columns) {
      const { token, bucket } = writtenColumns(column)
      const missing = [token, bucket].find((name) => name !== null && !unique.has(name))
      if (missing) throw missingPart(table, column, `column ${missing}`)
      const beside = pairedColumns(column).map((pair) => pair.beside)
      if (column.change.isUnique && !beside.some((name) => unique.get(name) === true)) {
        throw missingPart(table, column, `valid unique index on ${beside.join(', ')}`)
      }
    }
  }
}

function missingPart(table: ChangingTable, { field }: ChangingColumn, part: string): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `${field}: table ${tableLabel(table)} has no ${part}: run the migration that adds it, as ` +
      'migration:generate writes it',
    { field },
  )
}
