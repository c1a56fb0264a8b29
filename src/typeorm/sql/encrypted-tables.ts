import type { DataSource, EntityMetadata } from 'typeorm'
import { type EncryptedColumn, encryptedColumnsOf, opaqueColumnsOf } from '../encrypted-column'

/** What a name in FROM stands for, as far as its columns are known. */
export interface Source {
  /** Envelope columns by the name under which the source shows them. */
  readonly encrypted: ReadonlyMap<string, EncryptedColumn>
  /** Every column name; null where they are not known. */
  readonly columns: ReadonlySet<string> | null
  /** Not a table: the index columns are not beside the envelopes. */
  readonly derived: boolean
}

/** The tables of a DataSource, by the names that SQL text uses. */
export interface EncryptedTables {
  /** Whether the text can concern encrypted columns at all: a quick look before it is read. */
  mentionedIn(sql: string): boolean
  /** The table behind `[schema.]table`; undefined for one that is no entity's. */
  find(path: readonly string[]): Source | undefined
}

const known = new WeakMap<readonly EntityMetadata[], EncryptedTables>()

/** The tables of a DataSource, collected once for each `initialize()`. */
export function encryptedTablesOf({ entityMetadatas }: DataSource): EncryptedTables {
  const tables = known.get(entityMetadatas) ?? collectTables(entityMetadatas)
  known.set(entityMetadatas, tables)
  return tables
}

function collectTables(metadatas: readonly EntityMetadata[]): EncryptedTables {
  const byName = new Map<string, EntityMetadata[]>()
  for (const metadata of metadatas) {
    byName.set(metadata.tableName, [...(byName.get(metadata.tableName) ?? []), metadata])
  }
  const encrypted = [...byName]
    .filter(([, entities]) => entities.some((one) => ciphertextColumnsOf(one).length > 0))
    .map(([name]) => name.toLowerCase())
  return {
    mentionedIn(sql) {
      const text = sql.toLowerCase()
      return encrypted.some((name) => text.includes(name))
    },
    find(path) {
      const [table, schema] = path.toReversed()
      const named = byName.get(table as string) ?? []
      const found = named.filter((one) => !schema || !one.schema || one.schema === schema)
      return found.length > 0 ? sourceOf(found) : undefined
    },
  }
}

/** Columns that SQL text cannot compare as they are. */
function ciphertextColumnsOf(metadata: EntityMetadata): readonly EncryptedColumn[] {
  return [...encryptedColumnsOf(metadata), ...opaqueColumnsOf(metadata)]
}

/** The classes of one inheritance tree share a table; a name that fits two tables is not rewritten. */
function sourceOf(entities: readonly EntityMetadata[]): Source {
  const encrypted = new Map<string, EncryptedColumn>()
  for (const column of entities.flatMap(ciphertextColumnsOf)) {
    if (!encrypted.has(column.main.databaseName)) encrypted.set(column.main.databaseName, column)
  }
  const names = entities.flatMap(({ columns }) => columns.map(({ databaseName }) => databaseName))
  const paths = new Set(entities.map(({ tablePath }) => tablePath))
  return { encrypted, columns: new Set(names), derived: paths.size > 1 }
}
