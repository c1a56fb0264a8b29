import { quote, tablePath } from '../../rotation/table-path'
import type { DeclaredIndex } from '../../typeorm/declared-storage'
import type { StoredIndex, StoredTable } from './catalogue'
import { type Found, ok, problem, skipped, warning } from './finding'
import type { Setup } from './setup'

/**
 * Every index and unique constraint over token and bucket columns that the entities declare has a valid
 * index in the database: without one, a query reads the whole table, and duplicates are not refused.
 */
export async function checkSqlIndexes({ declared, catalogue }: Setup): Promise<Found[]> {
  const places = declared.indexes.map((index) => {
    return { index, table: catalogue({ schema: index.schema, name: index.table }) }
  })
  const findings = places.flatMap(({ index, table }) =>
    hasColumns(index, table) ? lookFor(index, table) : [],
  )
  if (findings.length > 0) return findings
  const seen = places.filter(({ index, table }) => hasColumns(index, table)).length
  const unseen = places.length - seen
  return [
    ...(seen > 0 ? [ok(SUBJECT, `all ${seen} declared indexes are there and valid`)] : []),
    ...(unseen > 0 ? [skipped(SUBJECT, `${unseen} are over columns that do not exist`, null)] : []),
  ]
}

const SUBJECT = 'index columns'

/** A column that is missing is a finding of its own. */
function hasColumns({ columns }: DeclaredIndex, table: StoredTable | null): table is StoredTable {
  return columns.every((name) => table?.columns.some((column) => column.name === name))
}

function lookFor(wanted: DeclaredIndex, { indexes }: StoredTable): Found[] {
  const serving = indexes.filter((index) => serves(index, wanted))
  if (serving.some(({ valid }) => valid)) return []
  const [invalid] = serving
  const subject = `${wanted.field} (${wanted.table}.${wanted.columns.join(', ')})`
  const outcome = wanted.unique
    ? 'duplicates are not refused, and a query reads the whole table'
    : 'a query reads the whole table'
  const report = wanted.unique ? problem : warning
  return invalid
    ? [report(subject, `index ${invalid.name} is not valid: ${outcome}`, remake(wanted, invalid))]
    : [report(subject, `has no index: ${outcome}`, make(wanted))]
}

function serves(index: StoredIndex, wanted: DeclaredIndex): boolean {
  const { columns, unique, where } = wanted
  const leading = JSON.stringify(index.columns.slice(0, columns.length)) === JSON.stringify(columns)
  if (!leading || (index.where !== null && where === null)) return false
  if (unique) return index.unique && index.columns.length === columns.length
  // Tokens are compared for equality only.
  const hashed = index.method === 'hash' && /_hmac(_next)?$/.test(columns[0] ?? '')
  return index.method === 'btree' || hashed
}

function remake({ schema }: DeclaredIndex, { name }: StoredIndex): string {
  return `REINDEX INDEX CONCURRENTLY ${tablePath({ schema, name })};`
}

/** Under the names that TypeORM compares, so that the next migration finds nothing to do. */
function make({ schema, table, name, columns, unique, constraint, where }: DeclaredIndex): string {
  const path = tablePath({ schema, name: table })
  const condition = where === null ? '' : ` WHERE ${where}`
  const kind = unique ? 'UNIQUE INDEX' : 'INDEX'
  const create =
    `CREATE ${kind} CONCURRENTLY ${quote(name)} ON ${path} ` +
    `(${columns.map(quote).join(', ')})${condition};`
  return constraint
    ? `${create} ALTER TABLE ${path} ADD CONSTRAINT ${quote(name)} UNIQUE USING INDEX ${quote(name)};`
    : create
}
