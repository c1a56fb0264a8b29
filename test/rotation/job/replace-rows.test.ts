import { beforeEach, describe, expect, it } from 'vitest'
import type { Query } from '../../../src/key-store/store'
import type { Keyring } from '../../../src/keys/keyring'
import { SAVEPOINT } from '../../../src/rotation/job/page-savepoint'
import { replaceRows } from '../../../src/rotation/job/replace-rows'
import { rewrap } from '../../../src/rotation/rewrap'
import { rotateKek } from '../../../src/rotation/rotate-kek'
import { makeKeyring, type Sent, seal, type Target, tableOf, useTables } from '../tables'

const tables = useTables()
let keyring: Keyring
let target: Target

async function execute(sql: string, ...parameters: unknown[]): Promise<Record<string, unknown>[]> {
  return (await tables.pool.query(sql, parameters)).rows
}

const replacements = (): Sent[] => target.sent.filter(({ sql }) => sql.startsWith('WITH page'))

beforeEach(async () => {
  await execute('DROP TABLE IF EXISTS person')
  keyring = makeKeyring()
  target = tables.target(keyring, tableOf('person', ['id']))
})

/** While another transaction holds a row. */
async function whileLocked<T>(id: number, work: () => Promise<T>): Promise<T> {
  const client = await tables.connect()
  try {
    await client.query('BEGIN')
    await client.query('UPDATE person SET id = id WHERE id = $1', [id])
    return await work()
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

const locksApart = ({ sql }: Sent): boolean => sql.includes('SKIP LOCKED')

describe('the statement that writes a page', () => {
  it.each([false, true])(
    'reads the rows of its page, and not the table: locked %s',
    async (held) => {
      await execute('CREATE TABLE person (id integer PRIMARY KEY, email bytea)')
      const [email] = await seal(keyring, { email: 'a' })
      await execute('INSERT INTO person SELECT i, $1 FROM generate_series(1, 5000) AS i', email)
      await execute('ANALYZE person')
      await rotateKek(keyring, { purpose: 'data' })
      const run = () => rewrap(target, { batchSize: 1000 })
      const { done } = await (held ? whileLocked(1, run) : run())
      expect(done).toBe(held ? 4999 : 5000)
      const [statement] = replacements() as [Sent]
      expect(locksApart(statement)).toBe(held)
      const { sql, parameters } = statement
      const plan = await execute(`EXPLAIN (COSTS OFF) ${sql}`, ...parameters)
      const text = plan.map((line) => line['QUERY PLAN']).join('\n')
      expect(text).toMatch(/Index (Only )?Scan/)
      expect(text.includes('Tid Scan on person')).toBe(held)
      expect(text).not.toContain('Seq Scan on person')
    },
  )

  it('locks no row apart from changing it, until it meets one that is held', async () => {
    await execute('CREATE TABLE person (id integer PRIMARY KEY, email bytea)')
    for (let id = 1; id <= 8; id++) {
      const [email] = await seal(keyring, { email: `${id}` })
      await execute('INSERT INTO person VALUES ($1, $2)', id, email)
    }
    await rotateKek(keyring, { purpose: 'data' })
    const report = await whileLocked(4, () => rewrap(target, { batchSize: 2 }))
    expect(report).toMatchObject({ done: 7, skipped: 1 })
    // A statement that was taken back is not among them.
    expect(replacements().map(locksApart).slice(0, 4)).toEqual([false, true, true, true])
  })

  it('waits for a moment only, and leaves lock_timeout as it was', async () => {
    await execute('CREATE TABLE person (id integer PRIMARY KEY, email bytea)')
    await execute(`INSERT INTO person VALUES (1, '\\x01'), (2, '\\x01')`)
    const replace = () =>
      replaceRows(
        tableOf('person', ['id']),
        [{ name: 'id', type: 'integer' }],
        [
          {
            parameters: [{ name: 'n1', type: 'bytea' }],
            wanted: 'p.n1 IS NOT NULL',
            unchanged: `r.email = '\\x01'`,
            assign: { email: 'p.n1' },
            written: 'r.email = p.n1',
          },
        ],
      )
    const rows = ['1', '2'].map((id) => ({ key: [id], parameters: [Buffer.of(2)] }))
    const client = await tables.connect()
    const query: Query = async (sql, values) => (await client.query(sql, [...values])).rows ?? []
    const timeout = async () => (await query('SHOW lock_timeout', []))[0]?.lock_timeout
    try {
      await query(`BEGIN; SET LOCAL lock_timeout = '1h'; ${SAVEPOINT}`, [])
      const held = await whileLocked(2, () => replace()(query, rows))
      expect(held).toEqual({ done: 1, left: [{ key: ['2'], amount: 1 }] })
      expect(await timeout()).toBe('1h')
      await query('ROLLBACK', [])
      await query(`BEGIN; SET LOCAL lock_timeout = '1h'; ${SAVEPOINT}`, [])
      expect(await replace()(query, rows)).toEqual({ done: 2, left: [] })
      expect(await timeout()).toBe('1h')
    } finally {
      await query('ROLLBACK', [])
      client.release()
    }
  })

  it.each(['"C"', '"und-x-icu"'])(
    'finds where its page begins and ends in the order of the column: %s',
    async (collation) => {
      await execute(`CREATE TABLE person (id text COLLATE ${collation} PRIMARY KEY, email bytea)`)
      for (const id of ['a', 'B', 'c', 'D']) {
        const [email] = await seal(keyring, { email: id })
        await execute('INSERT INTO person VALUES ($1, $2)', id, email)
      }
      await rotateKek(keyring, { purpose: 'data' })
      expect(await rewrap(target)).toMatchObject({ done: 4, skipped: 0 })
      expect(replacements()).toHaveLength(1)
    },
  )
})
