import { PGlite } from '@electric-sql/pglite'
import { Client } from 'pg'
import { DataSource } from 'typeorm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../database'
import { pgliteDriver } from '../pglite'

let database: TestDatabase
let client: Client
let dataSource: DataSource

beforeAll(async () => {
  database = await createDatabase()
  client = new Client({ connectionString: database.url })
  await client.connect()
  dataSource = await new DataSource({
    type: 'postgres',
    driver: pgliteDriver(new PGlite()),
    installExtensions: false,
  }).initialize()
})

afterAll(async () => {
  await dataSource?.destroy()
  await client?.end()
  await database?.drop()
})

it.each<[string, unknown[]]>([
  [
    `SELECT 1 AS int, 9007199254740993 AS big, 1.5::numeric AS num, 0.1::float8 AS f, true AS b`,
    [],
  ],
  [`SELECT '\\x00e1ff'::bytea AS bytes, '{"a":[1]}'::jsonb AS json, ARRAY['a','b,"'] AS list`, []],
  [`SELECT '2026-01-02T03:04:05.678Z'::timestamptz AS t, '2026-01-02'::date AS d, null AS n`, []],
  ['SELECT $1::bytea AS bytes, $2::text AS text', [Buffer.of(0, 225, 255), "it's"]],
  ['SELECT $1::int AS i, $2::bool AS b, $3::bigint AS big', [1, false, 2n ** 60n]],
  ['SELECT $1::timestamptz AS t, $2::text AS n', [new Date(1_700_000_000_123), null]],
  ['SELECT $1::jsonb AS json, $2::text[] AS list', [{ a: ['"'] }, ['x', 'y"z']]],
])('answers as pg does: %s', async (sql, parameters) => {
  const { rows } = await client.query(sql, parameters)
  expect(await dataSource.query(sql, parameters)).toEqual(rows)
})

it('tells how many rows a statement changed', async () => {
  await dataSource.query('CREATE TABLE t (id int)')
  await dataSource.query('INSERT INTO t SELECT generate_series(1, 5)')
  expect(await dataSource.query('UPDATE t SET id = id + $1 WHERE id > 3', [10])).toEqual([[], 2])
  expect(await dataSource.query('DELETE FROM t')).toEqual([[], 5])
})

it('keeps a transaction apart from everything else', async () => {
  await dataSource.query('CREATE TABLE u (id int)')
  const failed = dataSource.transaction(async (manager) => {
    await manager.query('INSERT INTO u VALUES (1)')
    await new Promise((done) => setTimeout(done, 20))
    throw new Error('roll back')
  })
  const counted = dataSource.query('SELECT count(*)::int AS n FROM u')
  await expect(failed).rejects.toThrow('roll back')
  expect(await counted).toEqual([{ n: 0 }])
})
