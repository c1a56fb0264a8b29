import 'reflect-metadata'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../src'
import { adopt } from '../../src/rotation'
import { Encrypted, type EncryptedOptions } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import type { Version } from '../integration/adoption/people'
import { type Instance, migrate, startInstance } from '../integration/adoption/start-instance'
import { pendingStatements } from '../typeorm/data-source'

interface Person {
  id: number
  email: string | null
  age: number | null
}

const EMAIL = { type: 'varchar', length: 80, nullable: true, unique: true } as const
const AGE = { type: 'integer', nullable: true } as const

function personIn(version: Version, more: Partial<EncryptedOptions> = {}): new () => Person {
  class Patient {}
  const prototype = Patient.prototype as never
  PrimaryColumn('int')(prototype, 'id')
  if (version === 'before') {
    Column(EMAIL)(prototype, 'email')
    Column(AGE)(prototype, 'age')
  } else {
    const adopt = (from: string, column: object) =>
      version === 'after' ? {} : { adopt: { from, state: version, column } }
    const email = { type: 'string', exact: { normalize: 'email', unique: true } } as const
    const age = { type: 'number', exact: true } as const
    const nullable = true
    Encrypted({ ...email, nullable, name: 'email_sealed', ...adopt('email', EMAIL), ...more })(
      prototype,
      'email',
    )
    Encrypted({ ...age, nullable, name: 'age_sealed', ...adopt('age', AGE) })(prototype, 'age')
  }
  Entity('person')(Patient)
  return Patient as new () => Person
}

let database: TestDatabase
let secret: string
let opened: Instance[]
let before: Instance<Person>

beforeEach(async () => {
  database = await createDatabase()
  secret = generateRootKey()
  opened = []
  before = await start('before', {}, true)
})

afterEach(async () => {
  for (const { dataSource } of opened) if (dataSource.isInitialized) await dataSource.destroy()
  await database.drop()
})

async function start(
  version: Version,
  more: Partial<EncryptedOptions> = {},
  synchronize = false,
): Promise<Instance<Person>> {
  const place = { url: database.url, secret: version === 'before' ? null : secret }
  const instance = await startInstance(place, personIn(version, more), { synchronize })
  opened.push(instance)
  return instance
}

const people = ({ dataSource, entity }: Instance<Person>) => dataSource.getRepository(entity)
const sql = (statement: string): Promise<Record<string, unknown>[]> =>
  before.dataSource.query(statement)
const sealedRows = () =>
  sql(`SELECT id, email_sealed IS NOT NULL AS email, email_sealed_hmac IS NOT NULL AS token,
    age_sealed IS NOT NULL AS age FROM person ORDER BY id`)

/** An application in `dual`, over two rows that nothing has sealed. */
async function beginDual(): Promise<Instance<Person>> {
  await people(before).save([
    { id: 1, email: 'a@x', age: 1 },
    { id: 2, email: null, age: 0 },
  ])
  const dual = await start('dual')
  await migrate(dual.dataSource)
  return dual
}

/** The same once it is verified. */
async function beginVerified(): Promise<{ dual: Instance<Person>; verified: Instance<Person> }> {
  const dual = await beginDual()
  await adopt(dual.dataSource, { to: 'backfilled' })
  await adopt(dual.dataSource, { to: 'verified' })
  const verified = await start('verified')
  await migrate(verified.dataSource)
  return { dual, verified }
}

describe('a writer from before', () => {
  it('never leaves an envelope that is not that of the value', async () => {
    const dual = await beginDual()
    await people(dual).save({ id: 1, email: 'b@x', age: 2 })
    const both = { id: 1, email: true, token: true, age: true }
    expect((await sealedRows())[0]).toEqual(both)
    await people(before).update(1, { email: 'c@x' })
    expect((await sealedRows())[0]).toEqual({ ...both, email: false, token: false })
    await people(dual).save({ id: 1, email: 'c@x', age: 3 })
    await people(dual).update(1, { email: 'd@x' })
    expect((await sealedRows())[0]).toEqual(both)
    await sql(`UPDATE person SET email = 'd@x', age = 3 WHERE id = 1`)
    expect((await sealedRows())[0]).toEqual(both)
    await sql('UPDATE person SET email = NULL WHERE id = 1')
    expect((await sealedRows())[0]).toEqual({ ...both, email: false, token: false })
    await sql(`INSERT INTO person VALUES (1, 'e@x', 3) ON CONFLICT (id) DO UPDATE
      SET email = excluded.email`)
    expect((await sealedRows())[0]).toEqual({ ...both, email: false, token: false })
  })

  it('is not fooled by a collation under which other values are equal', async () => {
    await sql(`CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2',
      deterministic = false)`)
    await sql('ALTER TABLE person ALTER COLUMN email TYPE varchar(80) COLLATE loose')
    const column = { ...EMAIL, collation: 'loose' }
    const dual = await start('dual', { adopt: { from: 'email', state: 'dual', column } })
    await migrate(dual.dataSource)
    await people(dual).save({ id: 1, email: 'ada', age: 1 })
    await sql(`UPDATE person SET email = 'ADA' WHERE id = 1`)
    expect((await sealedRows())[0]).toMatchObject({ email: false, token: false })
  })

  it('is refused once envelopes are compared, until the way back is gone', async () => {
    const { dual } = await beginVerified()
    const refused = /person\.email is read from its envelope \(adoption: verified\)/
    await expect(people(before).update(1, { email: 'x@x' })).rejects.toThrow(refused)
    await expect(people(before).save({ id: 3, email: 'y@x' })).rejects.toThrow(refused)
    await expect(people(before).update(1, { email: null })).rejects.toThrow(refused)
    await people(before).save({ id: 4, email: null, age: null })
    expect(await adopt(dual.dataSource, { to: 'dual' })).toMatchObject({
      states: { 'Patient.email': 'dual', 'Patient.age': 'dual' },
    })
    await people(before).update(1, { email: 'x@x' })
    expect(await people(dual).findOneByOrFail({ email: 'x@x' })).toMatchObject({ id: 1 })
  })

  it('that began before is waited for, and its snapshot does not let it through', async () => {
    const dual = await beginDual()
    await adopt(dual.dataSource, { to: 'backfilled' })
    const [open, old] = [
      before.dataSource.createQueryRunner(),
      before.dataSource.createQueryRunner(),
    ]
    await open.startTransaction()
    await open.query(`UPDATE person SET email = 'open@x' WHERE id = 1`)
    await old.startTransaction('REPEATABLE READ')
    await old.query('SELECT 1 FROM person')
    let done = false
    const verifying = adopt(dual.dataSource, { to: 'verified' }).finally(() => {
      done = true
    })
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(done).toBe(false)
    await open.commitTransaction()
    expect(await verifying).toMatchObject({ failed: [], states: { 'Patient.email': 'verified' } })
    const late = old.query(`UPDATE person SET email = 'late@x' WHERE id = 2`)
    await expect(late).rejects.toMatchObject({ code: '40001' })
    await old.rollbackTransaction()
    await Promise.all([open.release(), old.release()])
    const verified = await start('verified')
    expect(await people(verified).findOneByOrFail({ email: 'open@x' })).toMatchObject({ id: 1 })
  })
})

describe('an error about a property that is still read in clear', () => {
  it('shows no value', async () => {
    const dual = await beginDual()
    await people(dual).save({ id: 5, email: 'secret@x', age: 5 })
    const unique = await people(dual)
      .insert({ id: 6, email: 'secret@x' })
      .catch((error) => error)
    expect(unique).toMatchObject({ driverError: { code: '23505' } })
    const where = { email: 'secret2@x' }
    const missing = await people(dual)
      .findOneByOrFail(where)
      .catch((error) => error)
    const builder = people(dual).createQueryBuilder('p').where('p.email = :email', where)
    const none = await builder.getOneOrFail().catch((error) => error)
    for (const error of [unique.driverError.detail, missing.message, none.message]) {
      expect(error).toEqual(expect.not.stringContaining('secret'))
    }
  })
})

describe('a declaration', () => {
  it('is refused where the database is not as far, and where it is past it', async () => {
    const dual = await beginDual()
    const behind = { code: 'ERR_ADOPTION', message: expect.stringContaining("to: 'verified'") }
    await expect(start('verified')).rejects.toMatchObject(behind)
    await expect(start('backfilled')).rejects.toMatchObject({ code: 'ERR_ADOPTION' })
    const jump = adopt(dual.dataSource, { to: 'verified' })
    await expect(jump).rejects.toMatchObject({
      code: 'ERR_ADOPTION',
      message: expect.stringContaining("Patient.email is 'dual'"),
    })
    await adopt(dual.dataSource, { to: 'backfilled' })
    await adopt(dual.dataSource, { to: 'verified' })
    await expect(adopt(dual.dataSource, { to: 'sealed' })).rejects.toMatchObject({
      code: 'ERR_ADOPTION',
      message: expect.stringContaining("deploy an application that declares 'verified'"),
    })
    const verified = await start('verified')
    await migrate(verified.dataSource)
    await adopt(verified.dataSource, { to: 'sealed' })
    await expect(start('dual')).rejects.toMatchObject({ code: 'ERR_ADOPTION' })
    await expect(adopt(verified.dataSource, { to: 'dual' })).rejects.toMatchObject({
      code: 'ERR_ADOPTION',
    })
  })

  it('needs its migration before anything is sealed', async () => {
    await people(before).save({ id: 1, email: 'a@x', age: 1 })
    const dual = await start('dual')
    const unsealed = { code: 'ERR_FIELD_INVALID', message: expect.stringContaining('migration') }
    await expect(people(dual).save({ id: 2, email: 'b@x', age: 1 })).rejects.toMatchObject(unsealed)
    const nothing = adopt(dual.dataSource, { to: 'backfilled' })
    await expect(nothing).rejects.toMatchObject({ code: 'ERR_ADOPTION' })
  })

  it('may say any later state over a table without rows, made by synchronize', async () => {
    await sql('DROP TABLE person')
    const sealed = await start('sealed', {}, true)
    await people(sealed).save({ id: 1, email: 'a@x', age: 1 })
    expect(await people(sealed).findOneByOrFail({ email: 'A@x' })).toMatchObject({ age: 1 })
    expect(await sql('SELECT email, age FROM person')).toEqual([{ email: null, age: null }])
    const { upQueries } = await sealed.dataSource.driver.createSchemaBuilder().log()
    expect(upQueries).toEqual([])

    // What runs on writes no former column, in which this one would look for its rows.
    await sql('DELETE FROM person')
    await expect(start('dual')).rejects.toMatchObject({ code: 'ERR_ADOPTION' })
  })

  it.each([
    [{ name: 'email' }, 'give its name'],
    [{ type: 'bytes', exact: true }, 'does not give values of type bytes'],
    [{ next: {} }, 'not declared together'],
  ] as const)('is refused with %o', (more, problem) => {
    expect(() => personIn('dual', more as object)).toThrow(problem)
  })
})

describe('a migration', () => {
  it('goes back to the table as it was, and an abandoned adoption leaves nothing', async () => {
    await people(before).save({ id: 1, email: 'a@x', age: 1 })
    const dual = await start('dual')
    const revert = await migrate(dual.dataSource)
    await revert()
    await people(before).update(1, { email: 'b@x' })
    expect(await sql('SELECT * FROM person')).toEqual([{ id: 1, email: 'b@x', age: 1 }])
    const left = `SELECT count(*)::integer AS functions FROM pg_proc WHERE proname LIKE 'mortise%'`
    expect(await sql(left)).toEqual([{ functions: 0 }])
  })

  it('never drops a column that holds values', async () => {
    const { dual, verified } = await beginVerified()
    expect([
      await pendingStatements(dual.dataSource),
      await pendingStatements(verified.dataSource),
    ]).toEqual([[], []])
    const early = await start('after')
    const dropped = { code: 'ERR_WOULD_DROP_PLAINTEXT', message: expect.stringContaining('sealed') }
    await expect(migrate(early.dataSource)).rejects.toMatchObject(dropped)
    await adopt(verified.dataSource, { to: 'sealed' })
    const revert = await migrate(early.dataSource)
    expect(await people(early).findOneByOrFail({ email: 'a@x' })).toMatchObject({ age: 1 })
    await revert()
    expect(await sql('SELECT state FROM mortise_adoption')).toEqual([
      { state: 'sealed' },
      { state: 'sealed' },
    ])
    expect(await people(verified).findOneByOrFail({ email: 'a@x' })).toMatchObject({ age: 1 })
  })

  it('finds nothing left of what was set to null before the column was empty', async () => {
    const { verified } = await beginVerified()
    await adopt(verified.dataSource, { to: 'sealed' })
    await people(verified).save({ id: 7, email: 'late@x', age: 7 })
    const sealed = await start('sealed')
    await people(sealed).save({ id: 7, email: null, age: 8 })
    expect(await sql('SELECT email, age FROM person WHERE id = 7')).toEqual([
      { email: 'late@x', age: 7 },
    ])
    expect(await adopt(sealed.dataSource, { to: 'sealed' })).toMatchObject({ done: 2, skipped: 0 })
    expect(await sql('SELECT email, age FROM person WHERE id = 7')).toEqual([
      { email: null, age: null },
    ])
    await migrate((await start('after')).dataSource)
  })

  it('is refused where it would drop the column to change its type', async () => {
    await people(before).save({ id: 1, email: 'a@x', age: 1 })
    await sql('ALTER TABLE person ALTER COLUMN email TYPE text')
    const dual = await start('dual')
    await expect(migrate(dual.dataSource)).rejects.toMatchObject({
      code: 'ERR_WOULD_DROP_PLAINTEXT',
      field: 'Patient.email',
      message: expect.stringContaining('adopt.column'),
    })
  })

  it('cannot be lost by a DROP COLUMN', async () => {
    await beginDual()
    await expect(sql('ALTER TABLE person DROP COLUMN email')).rejects.toThrow(/depend on it/)
    await expect(sql('ALTER TABLE person DROP COLUMN age_sealed')).rejects.toThrow(/depend on it/)
  })
})

describe('a value that cannot be sealed', () => {
  it('is named, stays, and holds up nothing but the state', async () => {
    await sql(`INSERT INTO person SELECT i, 'p' || i || '@x', i FROM generate_series(10, 40) i`)
    const dual = await beginDual()
    await sql(`INSERT INTO person VALUES (50, 'P20@x ', 50), (51, 'p21@X', 51)`)
    const report = await adopt(dual.dataSource, { to: 'backfilled', batchSize: 100 })
    const twice = { code: 'ERR_NOT_UNIQUE', field: 'Patient.email', column: 'email_sealed' }
    expect(report).toMatchObject({
      done: 2 * 31 + 3 + 2,
      failedCount: 2,
      skipped: 0,
      failed: [
        { ...twice, primaryKey: { id: '50' } },
        { ...twice, primaryKey: { id: '51' } },
      ],
      states: { 'Patient.email': 'dual', 'Patient.age': 'dual' },
    })
    expect(await people(dual).countBy({ email: 'P20@x ' })).toBe(1)
    await sql('UPDATE person SET email = NULL WHERE id IN (50, 51)')
    const again = await adopt(dual.dataSource, { to: 'backfilled' })
    expect(again).toMatchObject({ done: 0, failed: [], states: { 'Patient.email': 'backfilled' } })
  })

  it('keeps a verified state from being reached, and is corrected where it can be', async () => {
    const dual = await beginDual()
    await adopt(dual.dataSource, { to: 'backfilled' })
    await sql(`UPDATE person SET email_sealed = '\\xe100', age_sealed_hmac = NULL WHERE id = 1`)
    await sql(`UPDATE person SET email_sealed = (SELECT age_sealed FROM person WHERE id = 2)
      WHERE id = 2`)
    await sql(`INSERT INTO person VALUES (3, 'A@x', 3)`)
    const dry = await adopt(dual.dataSource, { to: 'verified', dryRun: true })
    expect(dry).toMatchObject({ jobId: null, states: { 'Patient.email': 'backfilled' } })
    expect(await adopt(dual.dataSource, { to: 'verified' })).toMatchObject({
      corrected: 4,
      failed: [{ primaryKey: { id: '3' }, code: 'ERR_NOT_UNIQUE' }],
      states: { 'Patient.email': 'backfilled', 'Patient.age': 'backfilled' },
    })
    await people(before).update(3, { email: 'c@x' })
    expect(await adopt(dual.dataSource, { to: 'verified' })).toMatchObject({
      corrected: 1,
      failed: [],
      states: { 'Patient.email': 'verified' },
    })
  })
})
