import type { Query } from '../../key-store/store'
import { MORTISE_TABLES } from '../../key-store/tables'
import type { KeyringHealth } from '../../keys/health'
import type { KeyInfo, Keyring } from '../../keys/keyring'
import { type EncryptedTable, schemaOf } from '../../schema'
import { type DeclaredStorage, declaredStorage } from '../../typeorm/declared-storage'
import { counted } from '../text-table'
import { type Catalogue, readCatalogue } from './catalogue'
import { type Found, ok, skipped } from './finding'
import { readOnlyQuery } from './read-only'

/** What the caller may choose. */
export interface DoctorOptions {
  /** How long one data key may be the active one, in days. */
  readonly maxKeyAgeDays: number
  /** Reads whole tables: no statement is given up, and the census is taken. */
  readonly deep: boolean
  /** How long one statement may take, in milliseconds, unless `deep`. */
  readonly patienceMs: number
  /** Ends the examination behind the check that is under way. */
  readonly signal?: AbortSignal | undefined
}

/** What the checks look at; the catalogue is read once, before the first of them. */
export interface Setup {
  readonly dataSource: DeclaringDataSource
  readonly keyring: Keyring
  /** Tables and columns that exist in the database, with the types that are declared. */
  readonly tables: readonly EncryptedTable[]
  /** How many columns were left out of `tables`. */
  readonly unreadable: number
  /** Of the tables that mortise keeps here; null for the search path. */
  readonly schemaName: string | null
  readonly declared: DeclaredStorage
  readonly catalogue: Catalogue
  /** One statement in a read-only transaction of its own. */
  readonly query: Query
  /** Asks providers and key store once, however many checks want to know. */
  readonly health: () => Promise<KeyringHealth>
  /** Reads the keys once. */
  readonly keys: () => Promise<readonly KeyInfo[]>
  readonly options: DoctorOptions
}

type DeclaringDataSource = Parameters<typeof declaredStorage>[0]

/**
 * Reads what all checks need to know.
 *
 * @throws ERR_CONFIG where the DataSource is not encrypted, or not initialised
 */
export async function readSetup(
  dataSource: DeclaringDataSource,
  options: DoctorOptions,
): Promise<Setup> {
  const { keyring, tables, ownSchema } = schemaOf(dataSource)
  const query = readOnlyQuery(dataSource, options.deep ? 0 : options.patienceMs)
  const declared = declaredStorage(dataSource)
  const own = MORTISE_TABLES.map(({ name }) => ({ schema: ownSchema, name }))
  const catalogue = await readCatalogue(query, [...tables, ...own])
  const readable = readableTables(tables, declared, catalogue)
  return {
    ...{ dataSource, keyring, schemaName: ownSchema, declared, catalogue, query, options },
    tables: readable,
    unreadable: columnCount(tables) - columnCount(readable),
    health: once(() => keyring.health()),
    keys: once(() => keyring.keys()),
  }
}

/** Leaves out what is not there or of another type: that is a finding, and no statement could read it. */
function readableTables(
  tables: readonly EncryptedTable[],
  declared: DeclaredStorage,
  catalogue: Catalogue,
): EncryptedTable[] {
  return tables.map((table) => {
    const stored = catalogue(table)?.columns ?? []
    const isReadable = (name: string): boolean => {
      const wanted = declared.columns.find(
        (one) => one.column === name && one.table === table.name && one.schema === table.schema,
      )
      return stored.some((column) => column.name === name && column.type === wanted?.type)
    }
    const columns = table.columns.filter(({ column }) => isReadable(column))
    return {
      ...table,
      columns: columns.map((column) => {
        return { ...column, indexColumns: column.indexColumns.filter(isReadable) }
      }),
    }
  })
}

/** Counts envelope columns and their index columns. */
function columnCount(tables: readonly EncryptedTable[]): number {
  const columns = tables.flatMap((table) => table.columns)
  return columns.reduce((sum, { indexColumns }) => sum + 1 + indexColumns.length, 0)
}

/**
 * What a check of columns says that found nothing: that all is well, as far as it could look.
 *
 * @param finding - what is well with each column
 */
export function allWell({ tables, unreadable }: Setup, subject: string, finding: string): Found[] {
  const missing = `${counted(unreadable, 'column')} could not be looked at; see schema`
  return [
    ...(columnCount(tables) > 0 ? [ok(subject, finding)] : []),
    ...(unreadable > 0 ? [skipped(subject, missing, null)] : []),
  ]
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => {
    answer ??= ask()
    return answer
  }
}
