import { createPostgresStore } from './postgres'
import type { KeyStore, Query } from './store'

/** The part of a `pg` client that the key store uses. */
export interface PostgresClient {
  query(text: string, values: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
}

/** The part of a `pg` Pool that the key store uses. */
export interface PostgresPool extends PostgresClient {
  connect(): Promise<PooledClient>
}

/** A client that is out of its pool. */
interface PooledClient extends PostgresClient {
  release(error?: boolean): void
  on?(event: 'error', listener: () => void): unknown
  off?(event: 'error', listener: () => void): unknown
}

/** Options of {@link postgresKeyStore}. */
export interface PostgresKeyStoreOptions {
  /** Schema of the tables, which must exist; without it the connection's search_path decides. */
  readonly schema?: string
}

/**
 * A key store in PostgreSQL tables, on a pool that the application owns.
 *
 * Give it a pool that is not used for the data: a statement that needs a key would otherwise hold one
 * connection while it waits for another. The pool is never closed here.
 *
 * @param pool - a `Pool` of the package `pg`, or anything of its shape
 * @param options - where the tables are; `createTables()` of the store makes them
 * @throws ERR_KEY_STORE on use: missing tables, permissions, connections (`retryable`)
 */
export function postgresKeyStore(
  pool: PostgresPool,
  options: PostgresKeyStoreOptions = {},
): KeyStore {
  return createPostgresStore({
    connections: 'separate',
    read: queryOn(pool),
    write: (work) => inTransaction(pool, work),
    schema: options.schema,
  })
}

async function inTransaction<T>(
  pool: PostgresPool,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  client.on?.('error', ignoreLoss)
  const query = queryOn(client)
  let broken = false
  try {
    await query('BEGIN ISOLATION LEVEL READ COMMITTED', [])
    const result = await work(query)
    await query('COMMIT', [])
    return result
  } catch (error) {
    broken = await query('ROLLBACK', []).then(
      () => false,
      () => true,
    )
    throw error
  } finally {
    client.release(broken)
    if (!broken) client.off?.('error', ignoreLoss)
  }
}

/**
 * A lost connection fails the statement that waits; its event as well would end the process, because
 * a pool listens to idle clients only.
 */
function ignoreLoss(): void {}

function queryOn(client: PostgresClient): Query {
  return async (sql, parameters) => (await client.query(sql, [...parameters])).rows
}
