import type { DataSource } from 'typeorm'
import { MortiseError } from '../errors'
import { createPostgresStore, type WriteTransaction } from '../key-store/postgres'
import type { KeyStore, Query, Session } from '../key-store/store'
import { bracketed, inTransaction } from './bracketed'
import { canConnect, onOwnConnection } from './own-connection'

/**
 * A key store in the DataSource's own database: what a keyring without a store gets from
 * `withEncryption`.
 *
 * A key that a statement lacks is read on that statement's connection. Everything else, writes above
 * all, runs on a connection that is opened for it outside the pool, so that it never waits for the
 * pool and never joins (or is rolled back with) a transaction of the application. Where only one
 * connection exists (PGlite) everything runs on that one.
 *
 * The tables `mortise_*` follow the DataSource's `schema`; migrations and `synchronize` make them,
 * and so does `createTables()`, before or after `initialize()`.
 *
 * @param dataSource - of type `postgres`
 * @throws ERR_CONFIG for a DataSource of another type
 * @throws ERR_KEY_STORE on use: missing tables, permissions, connections (`retryable`)
 */
export function typeormKeyStore(dataSource: DataSource): KeyStore {
  const { options } = dataSource
  if (options.type !== 'postgres') {
    throw new MortiseError(
      'ERR_CONFIG',
      `keys cannot be kept in a DataSource of type ${options.type}, only of type postgres; ` +
        'give createKeyring() a store',
    )
  }
  const { schema } = options
  if (!canConnect(dataSource)) {
    return createPostgresStore({ connections: 'single', ...onlyConnection(dataSource), schema })
  }
  return createPostgresStore({
    connections: 'shared',
    read: (sql, parameters) => onOwnConnection(dataSource, (query) => query(sql, parameters)),
    write: (work) => onOwnConnection(dataSource, (query) => inTransaction(query, work)),
    schema,
  })
}

type Connections = { readonly read: Query; readonly write: WriteTransaction }

function onlyConnection(dataSource: DataSource): Connections {
  return {
    read: (sql, parameters) => onRunner(dataSource, ({ query }) => query(sql, parameters)),
    write: (work, session) =>
      session
        ? onSession(session, work)
        : onRunner(dataSource, ({ query }) => inTransaction(query, work)),
  }
}

async function onRunner<T>(
  dataSource: DataSource,
  work: (session: { query: Query }) => Promise<T>,
): Promise<T> {
  const runner = dataSource.createQueryRunner()
  try {
    return await work({ query: (sql, parameters) => runner.query(sql, [...parameters]) })
  } finally {
    await runner.release()
  }
}

/** Inside a transaction of the application, a write that fails must leave that one usable. */
function onSession<T>(session: Session, work: (query: Query) => Promise<T>): Promise<T> {
  return session.inTransaction
    ? inSavepoint(session.query, work)
    : inTransaction(session.query, work)
}

function inSavepoint<T>(query: Query, work: (query: Query) => Promise<T>): Promise<T> {
  return bracketed(query, work, {
    begin: 'SAVEPOINT mortise_key_store',
    end: 'RELEASE SAVEPOINT mortise_key_store',
    undo: 'ROLLBACK TO SAVEPOINT mortise_key_store',
  })
}
