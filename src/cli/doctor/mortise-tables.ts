import {
  columnSql,
  createPartialUnique,
  qualifyWith,
  tableConstraints,
} from '../../key-store/create-tables'
import {
  type ColumnDefinition,
  JOB_TABLES,
  MORTISE_TABLES,
  type TableDefinition,
} from '../../key-store/tables'
import { quote } from '../../rotation/table-path'
import type { StoredTable } from './catalogue'
import { type Found, ok, problem, warning } from './finding'
import type { Setup } from './setup'

const MAKE = 'npx mortise init --data-source FILE   # or run the pending migrations'
const NEWER = 'install the release of mortise that the database was migrated for'

/**
 * The tables of jobs, and those of the key store where it is in the database of the data: all of them
 * are there, with the columns, keys, unique constraints and references that this release relies on.
 */
export async function checkMortiseTables(setup: Setup): Promise<Found[]> {
  const keyStore = MORTISE_TABLES.filter((table) => !JOB_TABLES.includes(table))
  const isHere = keyStore.some(({ name }) => storedTable(setup, name) !== null)
  const elsewhere = isHere ? [] : [await keptElsewhere(setup)]
  const expected = isHere ? MORTISE_TABLES : JOB_TABLES
  const findings = expected.flatMap((table) => differences(setup, table))
  const agree = `the ${expected.length} tables that mortise keeps here are as this release declares`
  return [...elsewhere, ...(findings.length > 0 ? findings : [ok('mortise_*', agree)])]
}

function storedTable({ schemaName: schema, catalogue }: Setup, name: string): StoredTable | null {
  return catalogue({ schema, name })
}

async function keptElsewhere({ health }: Setup): Promise<Found> {
  const { store } = await health()
  return store.ok
    ? ok('mortise_key', 'the keys are kept outside of this database')
    : problem('mortise_key', `the tables of the key store do not exist; ${store.message}`, MAKE)
}

function differences(setup: Setup, definition: TableDefinition): Found[] {
  const found = storedTable(setup, definition.name)
  return found
    ? [
        ...columnDifferences(definition, found, setup),
        ...unknownColumns(definition, found),
        ...constraintDifferences(definition, found, setup),
      ]
    : [problem(definition.name, 'the table does not exist', MAKE)]
}

function columnDifferences(
  { name: table, columns }: TableDefinition,
  found: StoredTable,
  { schemaName }: Setup,
): Found[] {
  const alter = `ALTER TABLE ${qualifyWith(schemaName ?? undefined)(table)}`
  return columns.flatMap((wanted) => {
    const column = found.columns.find(({ name }) => name === wanted.name)
    const subject = `${table}.${wanted.name}`
    return column
      ? columnDifference(subject, wanted, column, `${alter} ALTER COLUMN ${quote(wanted.name)}`)
      : [problem(subject, 'the column does not exist', `${alter} ADD COLUMN ${columnSql(wanted)};`)]
  })
}

function columnDifference(
  subject: string,
  wanted: ColumnDefinition,
  { type, nullable }: StoredTable['columns'][number],
  alter: string,
): Found[] {
  if (type !== wanted.type) {
    const finding = `is of type ${type}, which must be ${wanted.type}`
    return [problem(subject, finding, `${alter} TYPE ${wanted.type};`)]
  }
  if (nullable === wanted.nullable) return []
  return nullable
    ? [warning(subject, 'takes NULL, which no release writes', `${alter} SET NOT NULL;`)]
    : [problem(subject, 'refuses NULL, which is written there', `${alter} DROP NOT NULL;`)]
}

function unknownColumns({ name: table, columns }: TableDefinition, found: StoredTable): Found[] {
  const known = new Set(columns.map(({ name }) => name))
  return found.columns
    .filter(({ name }) => !known.has(name))
    .map(({ name }) => warning(`${table}.${name}`, 'is a column of another release', NEWER))
}

function constraintDifferences(
  table: TableDefinition,
  { indexes, constraints }: StoredTable,
  { schemaName }: Setup,
): Found[] {
  const qualify = qualifyWith(schemaName ?? undefined)
  const isUnique = (columns: readonly string[], partial: boolean): boolean =>
    indexes.some((index) => {
      const matches = index.unique && index.valid && same(index.columns, columns)
      return matches && (index.where !== null) === partial
    })
  const holds = (kind: string, columns: readonly string[]): boolean =>
    kind === 'FOREIGN KEY'
      ? constraints.some((one) => one.kind === 'foreign' && same(one.columns, columns))
      : isUnique(columns, false)
  return [
    ...tableConstraints(table, qualify)
      .filter(({ kind, columns }) => !holds(kind, columns))
      .map(({ name, kind, columns, sql }) => {
        const finding = `${name}, ${kind} (${columns.join(', ')}), is missing or not valid`
        return problem(table.name, finding, `ALTER TABLE ${qualify(table.name)} ADD ${sql};`)
      }),
    ...table.partialUniques
      .filter(({ columns }) => !isUnique(columns, true))
      .map((index) => {
        const finding = `the unique index ${index.name} is missing or not valid`
        return problem(table.name, finding, `${createPartialUnique(table, index, qualify)};`)
      }),
  ]
}

function same(a: readonly (string | null)[], b: readonly string[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
