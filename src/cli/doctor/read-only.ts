import type { Query } from '../../key-store/store'

/** The members of a DataSource that the checks need; TypeORM's has them. */
export interface ReadableDataSource {
  createQueryRunner(): ReadableRunner
}

interface ReadableRunner {
  connect(): Promise<unknown>
  query(sql: string, parameters?: unknown[]): Promise<unknown>
  release(): Promise<void>
}

/** What a client of the package `pg` tells about its connection. Other drivers have none of it. */
export interface DriverClient {
  /** As the driver understood options and connection string: false, true, or those of `tls.connect`. */
  readonly ssl?: unknown
  readonly connection?: { readonly stream?: DriverSocket }
}

/** Of a socket; `encrypted` and `authorized` where it is one of `node:tls`. */
interface DriverSocket {
  readonly encrypted?: boolean
  /** The certificate is one that the client trusts. */
  readonly authorized?: boolean
  readonly remoteAddress?: string | undefined
}

/**
 * Runs each statement in a transaction of its own that is READ ONLY and rolled back: the server refuses
 * what would write. Between statements no connection is held, so that a pool of one is enough.
 *
 * @param timeoutMs - of each statement; 0 for none
 */
export function readOnlyQuery(dataSource: ReadableDataSource, timeoutMs: number): Query {
  return (sql, parameters) =>
    onRunner(dataSource, async (runner) => {
      await runner.query('START TRANSACTION READ ONLY')
      try {
        await runner.query(`SET LOCAL statement_timeout = ${Math.trunc(timeoutMs)}`)
        return (await runner.query(sql, [...parameters])) as Record<string, unknown>[]
      } finally {
        await runner.query('ROLLBACK')
      }
    })
}

/** A client of the pool, to be looked at and not to be used. */
export function clientOf(dataSource: ReadableDataSource): Promise<DriverClient> {
  return onRunner(dataSource, async (runner) => (await runner.connect()) as DriverClient)
}

async function onRunner<T>(
  dataSource: ReadableDataSource,
  work: (runner: ReadableRunner) => Promise<T>,
): Promise<T> {
  const runner = dataSource.createQueryRunner()
  try {
    return await work(runner)
  } finally {
    await runner.release()
  }
}
