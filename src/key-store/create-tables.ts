import { MORTISE_TABLES, type TableDefinition } from './tables'

/** Puts a table name into its schema, quoted. */
export type QualifyTable = (table: string) => string

/**
 * @param schema - `undefined` leaves the choice to the connection's search_path
 */
export function qualifyWith(schema: string | undefined): QualifyTable {
  return (table) => (schema === undefined ? quote(table) : `${quote(schema)}.${quote(table)}`)
}

/** Statements that make what is missing and touch nothing that exists. */
export function createTablesStatements(
  qualify: QualifyTable,
  tables: readonly TableDefinition[] = MORTISE_TABLES,
): string[] {
  return tables.flatMap((table) => [
    createTable(table, qualify),
    ...table.partialUniques.map(
      ({ name, columns, where }) =>
        `CREATE UNIQUE INDEX IF NOT EXISTS ${quote(name)} ON ${qualify(table.name)} (${list(columns)}) WHERE ${where}`,
    ),
  ])
}

function createTable(table: TableDefinition, qualify: QualifyTable): string {
  const parts = [
    ...table.columns.map(
      ({ name, type, nullable }) => `${quote(name)} ${type}${nullable ? '' : ' NOT NULL'}`,
    ),
    constraint(table.primaryKey.name, 'PRIMARY KEY', table.primaryKey.columns),
    ...table.uniques.map(({ name, columns }) => constraint(name, 'UNIQUE', columns)),
    ...table.references.map(
      ({ name, columns, table: target, referenced, onDelete }) =>
        `${constraint(name, 'FOREIGN KEY', columns)} REFERENCES ${qualify(target)} (${list(referenced)}) ON DELETE ${onDelete}`,
    ),
  ]
  return `CREATE TABLE IF NOT EXISTS ${qualify(table.name)} (${parts.join(', ')})`
}

function constraint(name: string, kind: string, columns: readonly string[]): string {
  return `CONSTRAINT ${quote(name)} ${kind} (${list(columns)})`
}

function list(columns: readonly string[]): string {
  return columns.map(quote).join(', ')
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
