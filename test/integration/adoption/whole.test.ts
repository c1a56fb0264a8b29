import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataSource } from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../../src'
import { adopt } from '../../../src/rotation'
import { createDatabase, type TestDatabase } from '../../database'
import { type Person, startVersion, type Version } from './people'
import { type Instance, migrate } from './start-instance'

// A state that is reported as reached is reached by every row.

const secret = generateRootKey()
let database: TestDatabase
let before: Instance<Person>
let opened: DataSource[] = []

async function start(version: Version, options = {}): Promise<Instance<Person>> {
  const instance = await startVersion(database.url, version, secret, options)
  opened.push(instance.dataSource)
  return instance
}

const run = (sql: string) => before.dataSource.query(sql)

beforeEach(async () => {
  database = await createDatabase()
  before = await start('before', { synchronize: true })
})
afterEach(async () => {
  for (const dataSource of opened) await dataSource.destroy()
  opened = []
  await database?.drop()
})

describe('an adoption reaches every row', () => {
  it('where JSON null is stored, which a driver does not tell from NULL', async () => {
    await run(`INSERT INTO person (id, chart) VALUES (1, 'null'), (2, NULL), (3, '{"a": null}')`)
    const dual = await start('dual')
    await migrate(dual.dataSource)
    const report = await adopt(dual.dataSource, { to: 'backfilled' })
    expect(report.states['Person.chart']).toBe('dual')
    expect(report.failed).toMatchObject([
      { field: 'Person.chart', primaryKey: { id: '1' }, code: 'ERR_VALUE_INVALID' },
    ])
    await run('UPDATE person SET chart = NULL WHERE id = 1')
    await adopt(dual.dataSource, { to: 'backfilled', retry: true })
    await adopt(dual.dataSource, { to: 'verified' })
    const last = await start('verified')
    await migrate(last.dataSource)
    await adopt(last.dataSource, { to: 'sealed' })
    const after = await start('after')
    await migrate(after.dataSource)
    const people = await after.dataSource.getRepository(after.entity).find({ order: { id: 'ASC' } })
    expect(people.map(({ chart }) => chart)).toEqual([null, null, { a: null }])
  })

  it('where a comparison is tried again after others could write', async () => {
    await run(`INSERT INTO person (id, email) VALUES (1, 'a@example.com'), (2, 'b@example.com')`)
    const { dataSource } = await start('dual')
    await migrate(dataSource)
    await adopt(dataSource, { to: 'backfilled' })
    await run(`UPDATE person SET seen = 'infinity' WHERE id = 1`)
    const failing = await adopt(dataSource, { to: 'verified' })
    expect(failing).toMatchObject({ failedCount: 1, states: { 'Person.email': 'backfilled' } })
    await run(`UPDATE person SET seen = NULL WHERE id = 1`)
    await run(`UPDATE person SET email = 'c@example.com' WHERE id = 2`)
    const report = await adopt(dataSource, { to: 'verified', retry: true })
    expect(report).toMatchObject({ failedCount: 0, states: { 'Person.email': 'verified' } })
    const last = await start('verified')
    await migrate(last.dataSource)
    const people = last.dataSource.getRepository(last.entity)
    expect(await people.findOneBy({ email: 'c@example.com' })).toMatchObject({ id: 2 })
  })

  it('where rows were locked and are compared later, in another order', async () => {
    await run(`INSERT INTO person (id, email) VALUES (9, 'i@example.com'), (10, 'j@example.com')`)
    const { dataSource } = await start('dual')
    await migrate(dataSource)
    await adopt(dataSource, { to: 'backfilled' })
    await run(`UPDATE person SET email_sealed_hmac = sha256(email_sealed_hmac)`)
    const locking = before.dataSource.createQueryRunner()
    await locking.startTransaction()
    await locking.query('SELECT id FROM person FOR UPDATE')
    let released: Promise<void> | undefined
    const onProgress = () => {
      released ??= sleep(50).then(() => locking.commitTransaction())
    }
    const report = await adopt(dataSource, { to: 'verified', onProgress })
    await released
    await locking.release()
    expect(report).toMatchObject({ corrected: 2, skipped: 0 })
    const wrong = `SELECT id FROM person WHERE octet_length(email_sealed_hmac) <> 17`
    expect(await run(wrong)).toEqual([])
  })

  it('or is refused where a value came in by a way without triggers', async () => {
    await run(`INSERT INTO person (id, email) VALUES (5, 'e@example.com'), (6, 'f@example.com')`)
    const { dataSource } = await start('dual')
    await migrate(dataSource)
    await adopt(dataSource, { to: 'backfilled' })
    const slipIn = (id: number) =>
      run(`BEGIN; SET LOCAL session_replication_role = replica;
        INSERT INTO person (id, email) VALUES (${id}, '${id}@example.com'); COMMIT`)
    let page = 0
    const pauseWhile = async () => {
      page += 1
      if (page === 2) await slipIn(1)
      return false
    }
    const verifying = adopt(dataSource, { to: 'verified', batchSize: 1, pauseWhile })
    await expect(verifying).rejects.toMatchObject({ code: 'ERR_ADOPTION', field: 'Person.email' })
    expect(await adopt(dataSource, { to: 'verified' })).toMatchObject({ corrected: 1 })

    await slipIn(2)
    const last = await start('verified')
    await migrate(last.dataSource)
    const sealing = adopt(last.dataSource, { to: 'sealed' })
    await expect(sealing).rejects.toMatchObject({ code: 'ERR_ADOPTION', field: 'Person.email' })
    expect(await run('SELECT id FROM person WHERE email IS NULL')).toEqual([])
  })

  it('or is refused where row-level security hides rows', async () => {
    await run(`INSERT INTO person (id, email) VALUES (1, 'a@example.com')`)
    const { dataSource } = await start('dual')
    await migrate(dataSource)
    const role = `tenant_${randomUUID().replaceAll('-', '')}`
    await run(`ALTER TABLE person ENABLE ROW LEVEL SECURITY; CREATE ROLE ${role};
      GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`)
    const options = { extra: { options: `-c role=${role}` } }
    try {
      const blind = await start('dual', options)
      const adopting = adopt(blind.dataSource, { to: 'backfilled' })
      await expect(adopting).rejects.toMatchObject({
        code: 'ERR_CONFIG',
        message: expect.stringMatching(/row-level security may hide rows of person/),
      })
      await expect(start('sealed', options)).rejects.toMatchObject({ code: 'ERR_ADOPTION' })
      expect(await run('SELECT DISTINCT state FROM mortise_adoption')).toEqual([{ state: 'dual' }])
    } finally {
      await run(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    }
  })
})
