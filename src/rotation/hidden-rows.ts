import { MortiseError } from '../errors'
import type { Query } from '../key-store/store'
import type { EncryptedTable } from '../schema'
import { tableLabel, tablePath } from './table-path'

/** The tables of which row-level security may hide rows from this role. One short statement. */
export async function tablesWithHiddenRows(
  query: Query,
  tables: readonly EncryptedTable[],
): Promise<EncryptedTable[]> {
  const hidden = await query(
    'SELECT t.path FROM unnest($1::text[]) AS t(path) WHERE row_security_active(t.path)',
    [tables.map(tablePath)],
  )
  const paths = new Set(hidden.map(({ path }) => path))
  return tables.filter((table) => paths.has(tablePath(table)))
}

/**
 * Refuses to say of a table that it is done where some of its rows were never seen.
 *
 * @throws ERR_CONFIG naming the tables
 */
export async function refuseHiddenRows(
  query: Query,
  tables: readonly EncryptedTable[],
): Promise<void> {
  const hidden = await tablesWithHiddenRows(query, tables)
  if (hidden.length === 0) return
  throw new MortiseError(
    'ERR_CONFIG',
    `row-level security may hide rows of ${hidden.map(tableLabel).join(', ')} from this role, and they would be passed by: run this as a role that sees all of them (BYPASSRLS)`,
  )
}
