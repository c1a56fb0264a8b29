import { randomBytes } from 'node:crypto'
import { PGlite } from '@electric-sql/pglite'
import { Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { createPostgresStore } from '../../src/key-store/postgres'
import { postgresKeyStore } from '../../src/key-store/postgres-pool'
import type { KeyStore, Query, Session, SubjectKeyRecord } from '../../src/key-store/store'
import { MORTISE_TABLES } from '../../src/key-store/tables'
import { describeKeyStore } from './contract'
import { useDatabase } from './database'
import { describeHistoryStore } from './history-contract'
import { someIndex, someKey, someSubjectKey, someTombstone } from './records'
import { describeSubjectStore } from './subject-contract'

const database = useDatabase()

/** A new schema; its odd name shows that identifiers are quoted. */
function newSchema(): Promise<string> {
  return database.createSchema(`Key "store" ${randomBytes(6).toString('hex')}`)
}

async function newStore(): Promise<{ schema: string; store: KeyStore }> {
  const schema = await newSchema()
  const store = postgresKeyStore(database.pool, { schema })
  await store.createTables?.()
  return { schema, store }
}

function queryOn(client: { query(sql: string, values: unknown[]): Promise<unknown> }): Query {
  return async (sql, parameters) => {
    const { rows } = (await client.query(sql, [...parameters])) as { rows: never[] }
    return rows
  }
}

describeKeyStore('postgresKeyStore', async () => {
  const { schema } = await newStore()
  return () => postgresKeyStore(database.pool, { schema })
})
describeHistoryStore('postgresKeyStore', async () => {
  const { schema } = await newStore()
  return () => postgresKeyStore(database.pool, { schema })
})
describeSubjectStore('postgresKeyStore', async () => {
  const { schema } = await newStore()
  return () => postgresKeyStore(database.pool, { schema })
})

describe('postgresKeyStore', () => {
  it('makes exactly the tables, columns, constraints and indexes of MORTISE_TABLES', async () => {
    const { schema } = await newStore()
    const select = async (sql: string): Promise<Record<string, unknown>[]> =>
      (await database.pool.query(sql, [schema])).rows
    const columns = await select(`SELECT c.relname AS table, a.attname AS name,
      format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
      AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum`)
    const expected = MORTISE_TABLES.flatMap((table) =>
      table.columns.map((column) => ({ table: table.name, ...column })),
    )
    const byTable = (rows: { table?: unknown }[]): unknown[] =>
      [...rows].sort((a, b) => String(a.table).localeCompare(String(b.table)))
    expect(byTable(columns)).toEqual(byTable(expected))

    const constraints = await select(`SELECT conname AS name FROM pg_constraint
      WHERE connamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND contype <> 'n'`)
    const named = MORTISE_TABLES.flatMap((table) => [
      table.primaryKey,
      ...table.uniques,
      ...table.references,
    ])
    const names = (list: readonly { name?: unknown }[]): string[] =>
      list.map(({ name }) => String(name)).sort()
    expect(names(constraints)).toEqual(names(named))

    const indexes = await select(`SELECT indexname AS name FROM pg_indexes WHERE schemaname = $1`)
    const indexed = MORTISE_TABLES.flatMap((table) => [
      table.primaryKey,
      ...table.uniques,
      ...table.partialUniques,
    ])
    expect(names(indexes)).toEqual(names(indexed))
  })

  it('uses the search_path without a schema', async () => {
    const schema = await newSchema()
    const options = `-c search_path=${`"${schema.replaceAll('"', '""')}"`.replaceAll(' ', '\\ ')}`
    const own = database.open({ max: 1, options })
    try {
      const store = postgresKeyStore(own)
      await store.createTables?.()
      await store.insertKey({ key: someKey(), demote: null })
    } finally {
      await own.end()
    }
    expect(await postgresKeyStore(database.pool, { schema }).loadEpoch('default')).toBe(1)
  })

  it('says what to do where its tables are missing', async () => {
    const store = postgresKeyStore(database.pool, { schema: await newSchema() })
    const missing = {
      code: 'ERR_KEY_STORE',
      retryable: false,
      message: expect.stringMatching(/42P01.*migrations.*createTables/),
    }
    await expect(store.loadKeys('default')).rejects.toMatchObject(missing)
    await expect(store.loadEpoch('default')).rejects.toMatchObject(missing)
    await expect(store.insertIndexes([someIndex()])).rejects.toMatchObject(missing)
    await expect(store.insertKey({ key: someKey(), demote: null })).rejects.toMatchObject(missing)
    const nowhere = postgresKeyStore(database.pool, { schema: 'no such schema' })
    await expect(nowhere.createTables?.()).rejects.toMatchObject({ code: 'ERR_KEY_STORE' })
  })

  it('says what to do where it lacks privileges', async () => {
    const { schema } = await newStore()
    const role = `r${randomBytes(6).toString('hex')}`
    await database.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'p'`)
    await database.pool.query(`GRANT USAGE ON SCHEMA "${schema.replaceAll('"', '""')}" TO ${role}`)
    const url = new URL(database.url)
    url.username = role
    url.password = 'p'
    const own = database.open({ connectionString: url.href, max: 1 })
    try {
      await expect(postgresKeyStore(own, { schema }).loadKeys('default')).rejects.toMatchObject({
        code: 'ERR_KEY_STORE',
        message: expect.stringMatching(/grant it SELECT/),
      })
    } finally {
      await own.end()
    }
  })

  it('tells that an unreachable server may be asked again', async () => {
    const nowhere = new Pool({ host: '127.0.0.1', port: 1 })
    await expect(postgresKeyStore(nowhere).loadEpoch('default')).rejects.toMatchObject({
      code: 'ERR_KEY_STORE',
      retryable: true,
      message: expect.stringContaining('ECONNREFUSED'),
    })
    await nowhere.end()
  })

  it.each([
    ['Connection terminated unexpectedly', undefined],
    ['Connection terminated due to connection timeout', undefined],
    ['timeout exceeded when trying to connect', undefined],
    ['getaddrinfo EAI_AGAIN db', 'EAI_AGAIN'],
    ['connect EHOSTUNREACH', 'EHOSTUNREACH'],
  ])('tells that what was lost on the way may be asked again: %s', async (message, code) => {
    const query = () => Promise.reject(Object.assign(new Error(message), { code }))
    const pool = { query, connect: () => query() }
    await expect(postgresKeyStore(pool).loadEpoch('default')).rejects.toMatchObject({
      code: 'ERR_KEY_STORE',
      retryable: true,
    })
  })

  it('gives back every connection, also after a failure', async () => {
    const { schema } = await newStore()
    const own = database.open({ max: 1 })
    const store = postgresKeyStore(own, { schema })
    const broken = postgresKeyStore(own, { schema: 'no such schema' })
    const key = someKey()
    expect(await store.insertKey({ key, demote: null })).toBe(true)
    expect(await store.insertKey({ key: someKey(), demote: null })).toBe(false)
    await expect(broken.insertIndexes([someIndex()])).rejects.toThrow()
    expect(await store.changeState(key.id, 'active', 'disabled')).toBe(true)
    expect(own.idleCount).toBe(1)
    await own.end()
  })

  it('survives a connection that is lost in the middle of a write', async () => {
    const { schema } = await newStore()
    const own = database.open({ max: 1, application_name: schema })
    own.on('error', () => {})
    const store = postgresKeyStore(own, { schema })
    const holder = await database.pool.connect()
    await holder.query('BEGIN')
    await holder.query(
      `SELECT pg_advisory_xact_lock(hashtextextended('mortise key store default', 0))`,
    )
    const writing = store.insertKey({ key: someKey(), demote: null })
    const ended = expect(writing).rejects.toMatchObject({ code: 'ERR_KEY_STORE', retryable: true })
    const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = $1 AND wait_event = 'advisory'`
    await expect.poll(async () => (await database.pool.query(kill, [schema])).rowCount).toBe(1)
    await ended
    await holder.query('ROLLBACK')
    holder.release()
    expect(await store.insertKey({ key: someKey(), demote: null })).toBe(true)
    await own.end()
  })

  it('writes all of a rotation or nothing', async () => {
    const { schema, store } = await newStore()
    const first = someKey()
    await store.insertKey({ key: first, demote: null })
    const twice = someKey({ version: 2 })
    const wraps = [...twice.wraps, ...twice.wraps]
    const result = store.insertKey({ key: { ...twice, wraps }, demote: first.id })
    expect(await result).toBe(false)
    const { epoch, keys } = await postgresKeyStore(database.pool, { schema }).loadKeys('default')
    expect(epoch).toBe(1)
    expect(keys).toMatchObject([{ id: first.id, state: 'active' }])
  })

  it('does not depend on the type parsers or the time zone of the application', async () => {
    const { schema } = await newStore()
    const own = database.open({
      max: 1,
      options: '-c TimeZone=Asia/Kathmandu -c DateStyle=SQL,DMY -c bytea_output=escape',
      types: { getTypeParser: () => () => 'not what anybody expects' },
    })
    const odd = database.open({
      max: 1,
      options: '-c TimeZone=Asia/Kathmandu -c DateStyle=SQL,DMY -c bytea_output=escape',
      types: {
        getTypeParser: (id: number) => (value: string) => (id === 25 ? value : `<${value}>`),
      },
    })
    const key = someKey()
    try {
      const store = postgresKeyStore(odd, { schema })
      expect(await store.insertKey({ key, demote: null })).toBe(true)
      expect((await store.loadKeys('default')).keys).toEqual([{ ...key, epoch: 1 }])
      const nonsense = postgresKeyStore(own, { schema }).loadEpoch('default')
      await expect(nonsense).rejects.toMatchObject({ code: 'ERR_KEY_STORE' })
    } finally {
      await own.end()
      await odd.end()
    }
  })

  it('refuses a row that no release could have written', async () => {
    const { schema, store } = await newStore()
    await store.insertKey({ key: someKey(), demote: null })
    const table = `"${schema.replaceAll('"', '""')}".mortise_key`
    for (const change of [`kcv = '\\x00'`, `state = 'idle'`, `version = 0`, `id = '\\x01'`]) {
      const client = await database.pool.connect()
      try {
        await client.query('BEGIN')
        await client.query(
          `ALTER TABLE "${schema.replaceAll('"', '""')}".mortise_key_wrap DROP CONSTRAINT mortise_key_wrap_key_fk`,
        )
        await client.query(`UPDATE ${table} SET ${change}`)
        const shared = createPostgresStore({
          connections: 'shared',
          schema,
          read: queryOn(database.pool),
          write: () => Promise.reject(new Error('not used')),
        })
        const session: Session = { query: queryOn(client), inTransaction: true }
        await expect(shared.loadKeys('default', session)).rejects.toMatchObject({
          code: 'ERR_KEY_STORE',
          message: expect.stringContaining('malformed'),
        })
      } finally {
        await client.query('ROLLBACK')
        client.release()
      }
    }
  })
})

it('a subject key that a restored table brought back stays gone, and makes room', async () => {
  const { schema, store } = await newStore()
  const inSchema = (name: string): string => `"${schema.replaceAll('"', '""')}".${name}`
  const [table, backup] = [inSchema('mortise_subject_key'), inSchema('backup')]
  const key = someSubjectKey()
  const page = { notUnder: null, after: null, limit: 10 }
  await store.insertSubjectKeys([key])
  await database.pool.query(`CREATE TABLE ${backup} AS SELECT * FROM ${table}`)
  await store.destroySubjectKeys([someTombstone({ id: key.id })])
  await database.pool.query(`INSERT INTO ${table} SELECT * FROM ${backup}`)
  const wanted = { refs: [key.subjectRef], ids: [key.id] }
  expect((await store.loadSubjectKeys('default', wanted)).keys).toEqual([])
  expect(await store.pageSubjectKeys('default', page)).toEqual([])
  expect(await store.countSubjectKeys('default')).toEqual([])
  const next = someSubjectKey({ subjectRef: key.subjectRef })
  await store.insertSubjectKeys([next, next])
  expect((await store.loadSubjectKeys('default', wanted)).keys).toEqual([next])
  expect(await store.pageSubjectKeys('default', page)).toEqual([next])
})

it('destroying subject keys and moving them to another KEK do not wait for each other', async () => {
  const { schema, store } = await newStore()
  const [low, high] = ['1', 'f'].map((digit) => someSubjectKey({ id: digit.repeat(16) })) as [
    SubjectKeyRecord,
    SubjectKeyRecord,
  ]
  await store.insertSubjectKeys([high])
  await store.insertSubjectKeys([low])
  const holder = await database.pool.connect()
  const waiting = async (count: number): Promise<void> => {
    const locked = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`
    const own = [`%${schema.replaceAll('"', '""')}%`]
    await expect.poll(async () => (await database.pool.query(locked, own)).rowCount).toBe(count)
  }
  await holder.query('BEGIN')
  const table = `"${schema.replaceAll('"', '""')}".mortise_subject_key`
  await holder.query(`SELECT 1 FROM ${table} WHERE id = decode($1, 'hex') FOR UPDATE`, [high.id])
  const destroying = store.destroySubjectKeys([high, low].map(({ id }) => someTombstone({ id })))
  await waiting(1)
  const moves = [low, high].map(({ id, wrapped }) => {
    return { id, wrapped, next: { kekId: '0'.repeat(16), wrapped } }
  })
  const moving = store.rewrapSubjectKeys(moves)
  await waiting(2)
  await holder.query('ROLLBACK')
  holder.release()
  await Promise.all([destroying, moving])
  expect(await store.countSubjectKeys('default')).toEqual([])
})

describe('createPostgresStore', () => {
  /** Who ran which statement. */
  function recording(connections: 'separate' | 'shared' | 'single'): {
    store: KeyStore
    session: Session
    users: string[]
  } {
    const users: string[] = []
    const row = { epoch: '0', keys: '[]', indexes: '[]', siblings: '[]' }
    const as = (user: string): Query => {
      return async () => {
        users.push(user)
        return [row]
      }
    }
    const store = createPostgresStore({
      connections,
      read: as('own read'),
      write: (work, session) => work(session?.query ?? as('own write')),
    })
    return { store, session: { query: as('session'), inTransaction: true }, users }
  }

  it.each([
    ['separate', 'own read', 'own write'],
    ['shared', 'session', 'own write'],
    ['single', 'session', 'session'],
  ] as const)('%s: reads by %s, writes by %s', async (connections, reader, writer) => {
    const { store, session, users } = recording(connections)
    await store.loadKeys('default', session)
    await store.loadEpoch('default', session)
    await store.loadIndexes('default', session)
    expect(new Set(users.splice(0))).toEqual(new Set([reader]))
    await store.insertKey({ key: someKey(), demote: null }, session)
    await store.changeState('00112233445566ff', 'active', 'disabled', session)
    await store.insertIndexes([someIndex()], session)
    await store.replaceIndex(someIndex(), someIndex(), session)
    expect(new Set(users.splice(0))).toEqual(new Set([writer]))
    await store.loadEpoch('default')
    expect(users).toEqual(['own read'])
    expect(store.writesOnSession).toBe(connections === 'single')
  })

  it('shows what the session of a transaction sees', async () => {
    const { schema, store } = await newStore()
    const shared = createPostgresStore({
      connections: 'shared',
      schema,
      read: queryOn(database.pool),
      write: () => Promise.reject(new Error('not used')),
    })
    const client = await database.pool.connect()
    const session: Session = { query: queryOn(client), inTransaction: true }
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
      expect(await shared.loadEpoch('default', session)).toBe(0)
      await store.insertKey({ key: someKey(), demote: null })
      expect(await shared.loadEpoch('default', session)).toBe(0)
      expect(await shared.loadEpoch('default')).toBe(1)
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  })

  it('runs on PGlite, where one connection is all there is', async () => {
    const pglite = new PGlite()
    const query = queryOn(pglite)
    const store = createPostgresStore({
      connections: 'single',
      read: query,
      write: (work) => pglite.transaction((transaction) => work(queryOn(transaction))),
    })
    try {
      await store.createTables?.()
      const key = someKey()
      expect(await store.insertKey({ key, demote: null })).toBe(true)
      expect(await store.insertKey({ key: someKey({ version: 2 }), demote: key.id })).toBe(true)
      await store.insertIndexes([someIndex()])
      const { epoch, keys } = await store.loadKeys('default')
      expect(epoch).toBe(3)
      expect(keys[0]).toEqual({
        ...key,
        state: 'decrypt-only',
        epoch: 2,
        stateChangedAt: expect.any(Date),
      })
      expect(await store.loadIndexes('default')).toEqual([someIndex()])
    } finally {
      await pglite.close()
    }
  })
})
