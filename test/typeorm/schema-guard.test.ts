import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm/encrypted'
import { encryptedColumnsOf } from '../../src/typeorm/encrypted-column'
import { holdsValues, storedColumns } from '../../src/typeorm/stored-columns'
import { createDatabase, type TestDatabase } from '../database'
import { guardedDataSource, pendingStatements } from './data-source'

@Entity()
class Patient {
  @PrimaryColumn() id!: number
  @Column() ward!: string
  @Encrypted({ type: 'string', exact: true, nullable: true }) email!: string | null
  @Encrypted({ type: 'number', nullable: true, name: 'Yearly Income' }) income!: number | null
}

@Entity({ synchronize: false })
class Archived {
  @PrimaryColumn() id!: number
  @Encrypted({ type: 'string', nullable: true }) name!: string | null
}

let database: TestDatabase
let dataSource: DataSource

beforeEach(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  await dataSource.destroy()
  await database.drop()
})

type Options = Parameters<typeof guardedDataSource>[1]

async function open(options: Options = {}): Promise<DataSource> {
  dataSource = guardedDataSource(database.url, { entities: [Patient, Archived], ...options })
  return dataSource.initialize()
}

const PLAIN = 'CREATE TABLE patient (id integer PRIMARY KEY, ward varchar NOT NULL, email varchar)'

describe('the schema guard', () => {
  const refusal = {
    code: 'ERR_WOULD_DROP_PLAINTEXT',
    field: 'Patient.email',
    message: expect.stringMatching(/^Patient\.email: column email of patient .*adopt/),
  }

  it('keeps synchronize and migration:generate from dropping plaintext', async () => {
    const source = await open()
    await source.query(PLAIN)
    await source.query(`INSERT INTO patient VALUES (1, 'a', NULL), (2, 'b', 'ada@example.com')`)
    await expect(source.synchronize()).rejects.toMatchObject(refusal)
    await expect(pendingStatements(source)).rejects.toMatchObject(refusal)
    await expect(source.synchronize()).rejects.not.toThrow(/ada@example/)
    expect(await source.query('SELECT email FROM patient WHERE id = 2')).toEqual([
      { email: 'ada@example.com' },
    ])
    expect(await source.query(`SELECT to_regclass('mortise_key')::text AS made`)).toEqual([
      { made: null },
    ])
  })

  it('keeps initialize() from doing so', async () => {
    const source = await open()
    await source.query(PLAIN)
    await source.query(`INSERT INTO patient VALUES (1, 'a', 'ada@example.com')`)
    await source.destroy()
    await expect(open({ synchronize: true })).rejects.toMatchObject(refusal)
    dataSource = await guardedDataSource(database.url).initialize()
    expect(await dataSource.query('SELECT count(*)::int AS n FROM patient')).toEqual([{ n: 1 }])
  })

  it('looks into the schema of the DataSource', async () => {
    const source = await open({ schema: 'rooms' })
    await source.query('CREATE SCHEMA rooms')
    await source.query(PLAIN.replace('patient', 'rooms.patient'))
    await source.query(`INSERT INTO rooms.patient VALUES (1, 'a', 'ada@example.com')`)
    await expect(source.synchronize()).rejects.toMatchObject(refusal)
  })

  it.each([
    ['an empty table', ''],
    ['a table that holds no value in the column', `INSERT INTO patient VALUES (1, 'a', NULL)`],
  ])('lets TypeORM change %s', async (_what, insert) => {
    const source = await open()
    await source.query(PLAIN)
    if (insert) await source.query(insert)
    await source.synchronize()
    expect(await pendingStatements(source)).toEqual([])
  })

  it('lets a table with envelopes be changed', async () => {
    const source = await open({ synchronize: true })
    await source.query(`INSERT INTO patient (id, ward, email) VALUES (1, 'a', '\\xe1')`)
    await source.query('ALTER TABLE patient DROP COLUMN ward')
    await source.query(`ALTER TABLE patient ADD COLUMN ward varchar NOT NULL DEFAULT ''`)
    await source.synchronize()
    expect(await pendingStatements(source)).toEqual([])
    expect(await source.query('SELECT email FROM patient')).toEqual([{ email: Buffer.of(0xe1) }])
  })

  it('leaves tables alone that TypeORM does not synchronise', async () => {
    const source = await open()
    await source.query('CREATE TABLE archived (id integer PRIMARY KEY, name varchar)')
    await source.query(`INSERT INTO archived VALUES (1, 'Ada')`)
    await source.synchronize()
    expect(await source.query('SELECT name FROM archived')).toEqual([{ name: 'Ada' }])
  })

  it('needs one connection', async () => {
    const source = await open({ poolSize: 1, extra: { connectionTimeoutMillis: 1000 } })
    await source.synchronize()
    expect(await pendingStatements(source)).toEqual([])
  })
})

describe('stored columns', () => {
  async function look(source: DataSource): Promise<unknown[]> {
    const columns = encryptedColumnsOf(source.getMetadata(Patient))
    const stored = await storedColumns(columns, (sql, values) => source.query(sql, [...values]))
    return stored.map(({ column, tableExists, type }) => [column.field.name, tableExists, type])
  }

  it.each<[string, Options]>([
    ['the search_path', {}],
    ['a schema that does not exist yet', { schema: 'My "odd" schema' }],
  ])('are looked up in %s', async (_where, options) => {
    const source = await open(options)
    expect(await look(source)).toEqual([
      ['Patient.email', false, null],
      ['Patient.income', false, null],
    ])
    const schema = options?.schema ?? 'public'
    const quoted = `"${schema.replaceAll('"', '""')}"`
    await source.query(`CREATE SCHEMA IF NOT EXISTS ${quoted}`)
    await source.query(`CREATE TABLE ${quoted}.patient (id int, email varchar(80), old bytea)`)
    await source.query(`ALTER TABLE ${quoted}.patient DROP COLUMN old`)
    expect(await look(source)).toEqual([
      ['Patient.email', true, 'character varying(80)'],
      ['Patient.income', true, null],
    ])
    await source.query(`ALTER TABLE ${quoted}.patient ADD COLUMN "Yearly Income" bytea`)
    expect((await look(source)).at(1)).toEqual(['Patient.income', true, 'bytea'])
  })

  it('tell whether they hold a value', async () => {
    const source = await open({ synchronize: true })
    const [email, income] = encryptedColumnsOf(source.getMetadata(Patient))
    const held = async (): Promise<boolean[]> =>
      Promise.all(
        [email, income].map((column) =>
          holdsValues(column as never, (sql, values) => source.query(sql, [...values])),
        ),
      )
    expect(await held()).toEqual([false, false])
    await source.query(`INSERT INTO patient (id, ward) VALUES (1, 'a')`)
    expect(await held()).toEqual([false, false])
    await source.query(`INSERT INTO patient (id, ward, "Yearly Income") VALUES (2, 'a', '')`)
    expect(await held()).toEqual([false, true])
  })

  it('ask nothing where nothing is encrypted', async () => {
    await open()
    expect(await storedColumns([], () => Promise.reject(new Error('asked')))).toEqual([])
  })
})
