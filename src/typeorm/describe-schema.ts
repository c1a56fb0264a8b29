import type { DataSource } from 'typeorm'
import type { Keyring } from '../keys/keyring'
import { type EncryptedTable, type EncryptedTableColumn, registerSchema } from '../schema'
import { isInView } from './check-columns'
import type { EncryptedColumn } from './encrypted-column'

/** Tells rotation which tables and columns of a DataSource hold envelopes. */
export function describeSchema(
  dataSource: DataSource,
  keyring: Keyring,
  columns: readonly EncryptedColumn[],
): void {
  registerSchema(dataSource, {
    keyring,
    tables: tablesOf(columns),
    query: (sql, parameters) => dataSource.query(sql, [...parameters]),
  })
}

/** By physical table: classes of one inheritance tree share theirs. */
function tablesOf(columns: readonly EncryptedColumn[]): EncryptedTable[] {
  const tables = new Map<string, EncryptedTable & { columns: EncryptedTableColumn[] }>()
  for (const { main, hmac, lofi, field, form, subject } of columns.filter(
    (one) => !isInView(one),
  )) {
    const { tablePath, schema, tableName, primaryColumns } = main.entityMetadata
    const table = tables.get(tablePath) ?? {
      schema: schema ?? null,
      name: tableName,
      primaryKey: primaryColumns.map((column) => column.databaseName),
      columns: [],
    }
    tables.set(tablePath, table)
    if (table.columns.some(({ column }) => column === main.databaseName)) continue
    table.columns.push({
      field: field.name,
      fieldId: field.fieldId,
      column: main.databaseName,
      form,
      indexColumns: [hmac, lofi].flatMap((column) => (column ? [column.databaseName] : [])),
      subjectColumn: subject?.column.databaseName ?? null,
    })
  }
  return [...tables.values()]
}
