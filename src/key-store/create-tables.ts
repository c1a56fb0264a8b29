import {
  type ColumnDefinition,
  type ConstraintDefinition,
  MORTISE_TABLES,
  type PartialUniqueDefinition,
  type TableDefinition,
} from './tables'

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
    ...table.partialUniques.map((index) => createPartialUnique(table, index, qualify)),
  ])
}

/** One constraint of a table; `sql` begins with CONSTRAINT and its name. */
export interface TableConstraint {
  readonly name: string
  readonly kind: 'PRIMARY KEY' | 'UNIQUE' | 'FOREIGN KEY'
  readonly columns: readonly string[]
  readonly sql: string
}

/** The constraints of a table, as CREATE TABLE and ALTER TABLE … ADD take them. */
export function tableConstraints(table: TableDefinition, qualify: QualifyTable): TableConstraint[] {
  return [
    constraint(table.primaryKey, 'PRIMARY KEY'),
    ...table.uniques.map((unique) => constraint(unique, 'UNIQUE')),
    ...table.references.map((reference) => {
      const { table: target, referenced, onDelete } = reference
      const rest = ` REFERENCES ${qualify(target)} (${list(referenced)}) ON DELETE ${onDelete}`
      return constraint(reference, 'FOREIGN KEY', rest)
    }),
  ]
}

/** One column, as CREATE TABLE and ALTER TABLE … ADD COLUMN take it. */
export function columnSql({ name, type, nullable }: ColumnDefinition): string {
  return `${quote(name)} ${type}${nullable ? '' : ' NOT NULL'}`
}

/** The statement that makes a partial unique index where it does not exist. */
export function createPartialUnique(
  table: TableDefinition,
  { name, columns, where }: PartialUniqueDefinition,
  qualify: QualifyTable,
): string {
  return `CREATE UNIQUE INDEX IF NOT EXISTS ${quote(name)} ON ${qualify(table.name)} (${list(columns)}) WHERE ${where}`
}

function createTable(table: TableDefinition, qualify: QualifyTable): string {
  const parts = [
    ...table.columns.map(columnSql),
    ...tableConstraints(table, qualify).map(({ sql }) => sql),
  ]
  return `CREATE TABLE IF NOT EXISTS ${qualify(table.name)} (${parts.join(', ')})`
}

function constraint(
  { name, columns }: ConstraintDefinition,
  kind: TableConstraint['kind'],
  rest = '',
): TableConstraint {
  return { name, kind, columns, sql: `CONSTRAINT ${quote(name)} ${kind} (${list(columns)})${rest}` }
}

function list(columns: readonly string[]): string {
  return columns.map(quote).join(', ')
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
