import { PGlite } from '@electric-sql/pglite'
import { Client } from 'pg'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { KeyStore, Session } from '../../src/key-store/store'
import { typeormKeyStore } from '../../src/typeorm/key-store'
import { sessionOf } from '../../src/typeorm/runtime'
import { createDatabase, type TestDatabase } from '../database'
import { describeKeyStore } from '../key-store/contract'
import { describeHistoryStore } from '../key-store/history-contract'
import { someIndex, someKey } from '../key-store/records'
import { pgliteDriver } from '../pglite'

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>

let database: TestDatabase
let pglite: DataSource | undefined
const opened: DataSource[] = []

beforeAll(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  for (const source of opened.splice(0)) if (source.isInitialized) await source.destroy()
})

afterAll(async () => {
  await pglite?.destroy()
  await database?.drop()
})

function postgres(options: Partial<PostgresOptions> = {}): DataSource {
  const source = new DataSource({
    type: 'postgres',
    url: database.url,
    ...options,
  } as PostgresOptions)
  opened.push(source)
  return source
}

let schemas = 0

/** A schema with the tables in it, and a DataSource that follows it. */
async function prepared(options: Partial<PostgresOptions> = {}): Promise<DataSource> {
  const schema = `Rooms ${++schemas}`
  await withClient((client) => client.query(`CREATE SCHEMA "${schema}"`))
  const source = await postgres({ schema, ...options }).initialize()
  await typeormKeyStore(source).createTables?.()
  return source
}

async function withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Starting PGlite takes a second: all tests share one, and begin with empty tables. */
async function onePglite(): Promise<DataSource> {
  pglite ??= await new DataSource({
    type: 'postgres',
    driver: pgliteDriver(new PGlite()),
    installExtensions: false,
  }).initialize()
  await typeormKeyStore(pglite).createTables?.()
  await pglite.query(
    'TRUNCATE mortise_key, mortise_key_wrap, mortise_index, mortise_history, mortise_tombstone',
  )
  return pglite
}

describeKeyStore('typeormKeyStore on a pool', async () => {
  const source = await prepared()
  return () => typeormKeyStore(source)
})
describeHistoryStore('typeormKeyStore on a pool', async () => {
  const source = await prepared()
  return () => typeormKeyStore(source)
})

describe('typeormKeyStore on a pool', () => {
  it('writes while the application holds the only connection, and nothing rolls it back', async () => {
    const source = await prepared({ poolSize: 1, extra: { connectionTimeoutMillis: 500 } })
    const store = typeormKeyStore(source)
    const key = someKey()
    const failed = source.transaction(async (manager) => {
      const session = sessionOf(manager.queryRunner as never)
      expect(session.inTransaction).toBe(true)
      expect(await store.insertKey({ key, demote: null }, session)).toBe(true)
      expect(await store.loadEpoch('default')).toBe(1)
      throw new Error('roll back')
    })
    await expect(failed).rejects.toThrow('roll back')
    expect((await store.loadKeys('default')).keys.map(({ id }) => id)).toEqual([key.id])
    expect(store.writesOnSession).toBe(false)
  })

  it("reads what the statement's connection sees", async () => {
    const source = await prepared()
    const store = typeormKeyStore(source)
    await source.transaction('REPEATABLE READ', async (manager) => {
      const session = sessionOf(manager.queryRunner as never)
      expect(await store.loadEpoch('default', session)).toBe(0)
      await store.insertIndexes([someIndex()])
      expect(await store.loadEpoch('default', session)).toBe(0)
      expect(await store.loadIndexes('default', session)).toEqual([])
      expect((await store.loadKeys('default', session)).epoch).toBe(0)
      expect(await store.loadEpoch('default')).toBe(1)
    })
  })

  it('keeps no connection open beside the pool', async () => {
    const source = await prepared({ applicationName: 'mortise-test-idle' })
    const store = typeormKeyStore(source)
    await store.insertKey({ key: someKey(), demote: null })
    await store.loadKeys('default')
    await expect(store.insertIndexes([someIndex({ domain: 'no\0text' })])).rejects.toThrow()
    const used = await source.query(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'mortise-test-idle'`,
    )
    expect(used).toEqual([{ n: 1 }])
  })

  it('needs no initialised DataSource, and takes its connection from every kind of options', async () => {
    const { hostname, port, username, password, pathname } = new URL(database.url)
    const parts = {
      host: hostname,
      port: Number(port),
      username,
      password,
      database: pathname.slice(1),
    }
    const search = { extra: { options: '-c search_path=by_parts' }, url: undefined }
    await withClient((client) => client.query('CREATE SCHEMA by_parts'))
    const single = typeormKeyStore(postgres({ ...search, ...parts } as never))
    await single.createTables?.()
    await single.insertIndexes([someIndex()])
    const slave = { ...parts, database: 'there is none' }
    const replication = { master: parts, slaves: [slave] }
    const replicated = typeormKeyStore(postgres({ ...search, replication } as never))
    expect(await replicated.loadIndexes('default')).toEqual([someIndex()])
    expect(await replicated.replaceIndex(someIndex(), someIndex({ state: 'required' }))).toBe(true)
    expect(await single.loadEpoch('default')).toBe(2)
  })

  it('says how to make missing tables', async () => {
    const store = typeormKeyStore(postgres({ schema: 'nowhere' }))
    for (const use of [
      () => store.loadKeys('default'),
      () => store.insertKey({ key: someKey(), demote: null }),
    ]) {
      await expect(use()).rejects.toMatchObject({
        code: 'ERR_KEY_STORE',
        message: expect.stringMatching(/migrations.*createTables\(\)/),
        retryable: false,
      })
    }
  })

  it('reports a server that cannot be reached as retryable, a refused password as not', async () => {
    const nobody = typeormKeyStore(postgres({ url: 'postgres://a:b@127.0.0.1:1/none' }))
    await expect(nobody.loadKeys('default')).rejects.toMatchObject({
      code: 'ERR_KEY_STORE',
      retryable: true,
    })
    const url = new URL(database.url)
    url.password = 'not-the-password'
    const refused = typeormKeyStore(postgres({ url: url.href }))
    const error: unknown = await refused.loadKeys('default').catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'ERR_KEY_STORE', retryable: false })
    expect(JSON.stringify(error) + String(error)).not.toContain('not-the-password')
  })

  it('survives a connection that the server closes', async () => {
    const store = typeormKeyStore(await prepared({ applicationName: 'mortise-test-killed' }))
    const lock = `SELECT pg_advisory_lock(hashtextextended('mortise key store default', 0))`
    await withClient(async (client) => {
      await client.query(lock)
      const waiting = store.insertKey({ key: someKey(), demote: null })
      const rejected = expect(waiting).rejects.toMatchObject({ code: 'ERR_KEY_STORE' })
      const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'mortise-test-killed' AND wait_event_type = 'Lock'`
      await expect.poll(async () => (await client.query(kill)).rowCount).toBe(1)
      await rejected
    })
    expect(await store.insertKey({ key: someKey(), demote: null })).toBe(true)
  })
})

describeKeyStore('typeormKeyStore on one connection', async () => {
  const source = await onePglite()
  return () => typeormKeyStore(source)
})
describeHistoryStore('typeormKeyStore on one connection', async () => {
  const source = await onePglite()
  return () => typeormKeyStore(source)
})

describe('typeormKeyStore on one connection', () => {
  async function inTransaction(
    source: DataSource,
    work: (store: KeyStore, session: Session) => Promise<void>,
  ): Promise<void> {
    await source.transaction((manager) =>
      work(typeormKeyStore(source), sessionOf(manager.queryRunner as never)),
    )
  }

  it("writes in the application's transaction, and goes with it", async () => {
    const source = await onePglite()
    const failed = inTransaction(source, async (store, session) => {
      expect(store.writesOnSession).toBe(true)
      expect(await store.insertKey({ key: someKey(), demote: null }, session)).toBe(true)
      expect(await store.loadEpoch('default', session)).toBe(1)
      throw new Error('roll back')
    })
    await expect(failed).rejects.toThrow('roll back')
    expect(await typeormKeyStore(source).loadKeys('default')).toEqual({ epoch: 0, keys: [] })
  })

  it("leaves the application's transaction usable when a write loses", async () => {
    const source = await onePglite()
    const key = someKey()
    await typeormKeyStore(source).insertKey({ key, demote: null })
    await inTransaction(source, async (store, session) => {
      const same = someKey({ id: key.id, purpose: 'index' })
      expect(await store.insertKey({ key: same, demote: null }, session)).toBe(false)
      await store.insertIndexes([someIndex()], session)
    })
    expect(await typeormKeyStore(source).loadIndexes('default')).toEqual([someIndex()])
  })

  it('writes on a session without a transaction in one of its own', async () => {
    const source = await onePglite()
    const store = typeormKeyStore(source)
    const runner = source.createQueryRunner()
    const session = sessionOf(runner)
    const key = someKey({ wraps: [...someKey().wraps, ...someKey().wraps] })
    expect(await store.insertKey({ key, demote: null }, session)).toBe(false)
    expect(await store.insertKey({ key: someKey(), demote: null }, session)).toBe(true)
    await runner.release()
    expect((await store.loadKeys('default')).keys).toHaveLength(1)
  })
})

it('refuses a DataSource that is not PostgreSQL', () => {
  const source = { options: { type: 'sqljs' }, driver: {} } as unknown as DataSource
  expect(() => typeormKeyStore(source)).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining('sqljs') }),
  )
})
