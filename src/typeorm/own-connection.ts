import type { DataSource } from 'typeorm'
import type { Query } from '../key-store/store'

/** A client of the package `pg`, or of a module that stands in for it. */
interface Client {
  connect(): Promise<unknown>
  query(sql: string, parameters: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  end(): Promise<void>
  on?(event: 'error', listener: () => void): unknown
}

type ClientClass = new (options: object) => Client

/** How to reach one server, in TypeORM's words. */
interface Credentials {
  readonly url?: string
  readonly host?: string
  readonly port?: number
  readonly username?: string
  readonly password?: unknown
  readonly database?: string
  readonly ssl?: unknown
  readonly applicationName?: string
}

/** The members of TypeORM's PostgreSQL driver that are read here; the same on both lines. */
interface PostgresDriver {
  /** The module `pg`, or the one given as `driver`. */
  readonly postgres: { readonly Client: ClientClass }
  readonly options: Credentials & {
    readonly replication?: { readonly master: Credentials }
    readonly connectTimeoutMS?: number
    readonly extra?: object
  }
}

/** Whether a connection can be opened beside the pool: not with drivers that have no `Client`. */
export function canConnect(dataSource: DataSource): boolean {
  const module: Partial<PostgresDriver['postgres']> = driverOf(dataSource).postgres
  return typeof module.Client?.prototype.connect === 'function'
}

/**
 * Runs `work` on a connection that is opened for it and closed after it, outside the pool: a
 * statement may hold the pool's last connection while it waits for what `work` does.
 *
 * A connection that is closed within a transaction rolls it back.
 *
 * @param dataSource - one that {@link canConnect}; it need not be initialised
 */
export async function onOwnConnection<T>(
  dataSource: DataSource,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const { postgres, options } = driverOf(dataSource)
  const client = new postgres.Client(connectionOptions(options))
  // A lost connection also fails the query that waits; without a listener it would end the process.
  client.on?.('error', () => {})
  try {
    await client.connect()
    return await work(async (sql, parameters) => (await client.query(sql, [...parameters])).rows)
  } finally {
    await client.end()
  }
}

/** What TypeORM gives to its own pool: a write goes to the same server by the same means. */
function connectionOptions(options: PostgresDriver['options']): object {
  const credentials = options.replication?.master ?? options
  return {
    connectionString: credentials.url,
    host: credentials.host,
    port: credentials.port,
    user: credentials.username,
    password: credentials.password,
    database: credentials.database,
    ssl: credentials.ssl,
    connectionTimeoutMillis: options.connectTimeoutMS,
    application_name: options.applicationName ?? credentials.applicationName,
    ...options.extra,
  }
}

function driverOf(dataSource: DataSource): PostgresDriver {
  return dataSource.driver as unknown as PostgresDriver
}
