import { beforeEach, describe, expect, it } from 'vitest'
import type { Keyring } from '../../../src/keys/keyring'
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

describe('the statement that writes a page', () => {
  it('reads the rows of its page, and not the table', async () => {
    await execute('CREATE TABLE person (id integer PRIMARY KEY, email bytea)')
    const [email] = await seal(keyring, { email: 'a' })
    await execute('INSERT INTO person SELECT i, $1 FROM generate_series(1, 5000) AS i', email)
    await execute('ANALYZE person')
    await rotateKek(keyring, { purpose: 'data' })
    expect(await rewrap(target, { batchSize: 1000 })).toMatchObject({ done: 5000 })
    const [{ sql, parameters }] = replacements() as [Sent]
    const plan = await execute(`EXPLAIN (COSTS OFF) ${sql}`, ...parameters)
    const text = plan.map((line) => line['QUERY PLAN']).join('\n')
    expect(text).toMatch(/Index (Only )?Scan/)
    expect(text).toContain('Tid Scan on person')
    expect(text).not.toContain('Seq Scan on person')
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
