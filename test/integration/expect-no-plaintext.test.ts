import { DataSource } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectNoPlaintext } from '../../src/testing'
import { createDatabase, type TestDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

const EMAIL = 'Xylophone.Quagga@Example.org'
const ALLERGY = 'zwieback-allergy'
const written = [EMAIL, 48_271.625, '1987-11-23', { allergies: [ALLERGY] }]

let database: TestDatabase
let setup: Setup

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet])
  await setup.dataSource.getRepository(Person).save({
    ...{ id: 1, ward: 'A', email: EMAIL, surname: 'Quagga', income: 48_271.625 },
    ...{ birthDate: '1987-11-23', chart: { allergies: [ALLERGY] } },
  })
  await setup.dataSource.query(
    'CREATE TABLE audit (id int, note text, raw bytea, document jsonb, list text[])',
  )
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

async function failure(plaintexts: readonly unknown[] = written): Promise<string> {
  const outcome = await expectNoPlaintext(setup.dataSource, plaintexts).then(
    () => 'nothing found',
    (error: Error) => error.message,
  )
  for (const text of [EMAIL, ALLERGY]) expect(outcome).not.toContain(text)
  return outcome
}

describe('expectNoPlaintext', () => {
  it('finds nothing where values were written through TypeORM', async () => {
    await expectNoPlaintext(setup.dataSource)
    await expectNoPlaintext(setup.dataSource, written)
  })

  const base64 = (text: string) => Buffer.from(text).toString('base64')
  it.each<[string, string, unknown]>([
    ['a text', 'note', `hello ${EMAIL}!`],
    ['another case', 'note', EMAIL.toUpperCase()],
    ['hex', 'note', Buffer.from(EMAIL.toLowerCase()).toString('hex').toUpperCase()],
    ['base64', 'note', base64(EMAIL)],
    ['base64 that begins before it', 'note', base64(`a${EMAIL}`)],
    ['base64 that begins before it and ends after it', 'note', base64(`ab${EMAIL}yz`)],
    ['base64url of another case', 'note', Buffer.from(EMAIL.toLowerCase()).toString('base64url')],
    ['the JSON of bytes', 'note', JSON.stringify(Buffer.from(EMAIL))],
    ['a URL', 'note', `https://x.test/?q=${encodeURIComponent(EMAIL)}`],
    ['bytes', 'raw', Buffer.from(EMAIL)],
    ['bytes of base64', 'raw', Buffer.from(base64(EMAIL))],
    ['a document', 'document', JSON.stringify({ to: [EMAIL] })],
    ['an array', 'list', [EMAIL]],
  ])('finds %s', async (_, column, value) => {
    await setup.dataSource.query(`INSERT INTO audit (${column}) VALUES ($1)`, [value])
    try {
      expect(await failure()).toBe(
        `the database holds plaintext: audit.${column} holds plaintext 0`,
      )
    } finally {
      await setup.dataSource.query('DELETE FROM audit')
    }
  })

  it('finds what an object holds, numbers, and each of several', async () => {
    const { query } = setup.dataSource
    await query.call(setup.dataSource, 'INSERT INTO audit (note) VALUES ($1)', [
      `${ALLERGY} 48271.625`,
    ])
    expect(await failure()).toBe(
      'the database holds plaintext: audit.note holds plaintext 1; audit.note holds plaintext 3',
    )
    await setup.dataSource.query('DELETE FROM audit')
  })

  it('finds it in a materialized view and in a statement that the server remembers', async () => {
    await setup.dataSource.query(`CREATE MATERIALIZED VIEW seen AS SELECT 'x${ALLERGY}' AS word`)
    const other = setup.dataSource.createQueryRunner()
    await other.query(`SELECT '${ALLERGY}'`)
    const found = await failure()
    expect(found).toContain('seen.word holds plaintext 3')
    expect(found).toContain('pg_stat_activity.query holds plaintext 3')
    await other.query('SELECT 1')
    await other.release()
    await setup.dataSource.query('DROP MATERIALIZED VIEW seen')
  })

  it('finds a value in an encrypted column that is no envelope', async () => {
    await setup.dataSource.query(`UPDATE person SET surname = 'Ann' WHERE id = 1`)
    expect(await failure([])).toBe(
      'the database holds plaintext: person.surname (Person.surname) holds a value without envelope',
    )
    await setup.dataSource.query(`UPDATE person SET surname = NULL, surname_hmac = NULL`)
    await expectNoPlaintext(setup.dataSource, written)
  })

  it('leaves the buckets of declared ranges out', async () => {
    const [{ text }] = await setup.dataSource.query(
      `SELECT "birthDate_lofi"::text AS text FROM person WHERE id = 1`,
    )
    expect(text).toBe('1987-11-01')
    await expectNoPlaintext(setup.dataSource, [text])
  })

  it.each([['short'], [4711], [{ word: 'short' }], [Buffer.from('12345')]])(
    'refuses %o, which could stand there by chance',
    async (plaintext) => {
      await expect(expectNoPlaintext(setup.dataSource, [plaintext])).rejects.toMatchObject({
        code: 'ERR_CONFIG',
      })
    },
  )

  it('refuses a DataSource that is not encrypted', async () => {
    const plain = new DataSource({ type: 'postgres', url: database.url })
    await expect(expectNoPlaintext(plain)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})
