import { randomBytes } from 'node:crypto'
import { Pool, type PoolConfig } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { createDatabase } from '../database'

/** A real PostgreSQL for the tests of one file. */
export interface TestDatabase {
  /** A pool of 10 connections. */
  readonly pool: Pool
  /** Another pool; the caller ends it. */
  open(config: PoolConfig): Pool
  readonly url: string
  /** Makes an empty schema. */
  createSchema(name?: string): Promise<string>
}

/**
 * Makes a database before the tests of the calling file. It goes with the server of the run: a forced
 * drop would meet sockets of the pool that are still closing.
 */
export function useDatabase(): TestDatabase {
  let server: Awaited<ReturnType<typeof createDatabase>>
  let pool: Pool
  const open = (config: PoolConfig): Pool => new Pool({ connectionString: server.url, ...config })
  beforeAll(async () => {
    server = await createDatabase()
    pool = open({ max: 10 })
  })
  afterAll(async () => {
    await pool?.end()
  })
  return {
    get pool() {
      return pool
    },
    get url() {
      return server.url
    },
    open,
    createSchema: async (name = `s${randomBytes(6).toString('hex')}`) => {
      await pool.query(`CREATE SCHEMA "${name.replaceAll('"', '""')}"`)
      return name
    },
  }
}
