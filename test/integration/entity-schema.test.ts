import 'reflect-metadata'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  EntitySchema,
  PrimaryColumn,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Encrypted, encryptedColumn } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { pendingStatements } from '../typeorm/data-source'
import { setUp } from './people'

interface Address {
  street: string
  zip: string | null
}

interface Member {
  id: number
  email: string
  income: number | null
  born: string
  note: { tags: string[] } | null
  address: Address
}

const addressSchema = new EntitySchema<Address>({
  name: 'address',
  columns: {
    ...encryptedColumn<Address>('street', { type: 'string', exact: { bits: 16 } }),
    ...encryptedColumn<Address>('zip', { type: 'string', range: { prefix: 2 }, nullable: true }),
  },
})

const memberSchema = new EntitySchema<Member>({
  name: 'member',
  columns: {
    id: { type: 'int', primary: true },
    ...encryptedColumn<Member>('email', {
      type: 'string',
      exact: { normalize: 'email', unique: true },
      comment: 'sealed',
    }),
    ...encryptedColumn('income', { type: Number, range: { step: 10_000 }, nullable: true }),
    ...encryptedColumn('born', {
      type: 'date',
      exact: true,
      range: { truncate: 'month' },
      name: 'birth day',
    }),
    ...encryptedColumn('note', { type: 'json', nullable: true }),
  },
  embeddeds: { address: { schema: addressSchema, prefix: 'home' } } as never,
})

class DecoratedAddress {
  @Encrypted({ type: 'string', exact: { bits: 16 } }) street!: string
  @Encrypted({ type: 'string', range: { prefix: 2 }, nullable: true }) zip!: string | null
}

@Entity('member')
class DecoratedMember {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: { normalize: 'email', unique: true }, comment: 'sealed' })
  email!: string
  @Encrypted({ type: 'number', range: { step: 10_000 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'date', exact: true, range: { truncate: 'month' }, name: 'birth day' })
  born!: string
  @Encrypted({ type: 'json', nullable: true }) note!: { tags: string[] } | null
  @Column(() => DecoratedAddress, { prefix: 'home' }) address!: DecoratedAddress
}

const ADA: Member = {
  id: 1,
  email: 'Ada@Example.com',
  income: 52_000,
  born: '1815-12-10',
  note: { tags: ['a'] },
  address: { street: 'St James Square 12', zip: 'SW1Y' },
}
const BOB: Member = {
  id: 2,
  email: 'bob@example.com',
  income: null,
  born: '1990-02-03',
  note: null,
  address: { street: 'Main Road 1', zip: null },
}

let database: TestDatabase
let other: TestDatabase
const opened: DataSource[] = []

beforeEach(async () => {
  database = await createDatabase()
  other = await createDatabase()
})

afterEach(async () => {
  for (const source of opened.splice(0)) if (source.isInitialized) await source.destroy()
  await database.drop()
  await other.drop()
})

async function open(
  url: string,
  entities: DataSourceOptions['entities'],
  options: object = {},
): Promise<DataSource> {
  const { dataSource } = await setUp(url, entities, { ...options })
  opened.push(dataSource)
  return dataSource
}

/** Columns, constraints and indexes of a table, as PostgreSQL knows them. */
async function shape(source: DataSource): Promise<unknown> {
  return source.query(`
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull
        THEN ' NOT NULL' ELSE '' END AS what, c.collname AS more,
        col_description(a.attrelid, a.attnum) AS comment
      FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
      WHERE a.attrelid = 'member'::regclass AND a.attnum > 0
    UNION ALL SELECT conname, contype::text, pg_get_constraintdef(oid), NULL
      FROM pg_constraint WHERE conrelid = 'member'::regclass
    UNION ALL SELECT indexname, indexdef, NULL, NULL FROM pg_indexes WHERE tablename = 'member'
    ORDER BY 1, 2`)
}

describe('encryptedColumn', () => {
  it('makes the same table as the decorator: columns, constraints, indexes and their names', async () => {
    const schemas = await open(database.url, [memberSchema])
    const classes = await open(other.url, [DecoratedMember])
    const made = (await shape(schemas)) as { name: string }[]
    expect(made).toEqual(await shape(classes))
    expect(made.map(({ name }) => name)).toContain('birth day_lofi')
    expect(await pendingStatements(schemas)).toEqual([])
    expect(await pendingStatements(classes)).toEqual([])
  })

  it('shows a migration all columns and indexes', async () => {
    const source = await open(database.url, [memberSchema], { synchronize: false })
    const statements = (await pendingStatements(source)).join('\n')
    for (const expected of [
      /CREATE TABLE "member" .*"email_hmac" bytea NOT NULL.*UNIQUE \("email_hmac"\)/,
      /CREATE INDEX "\w+" ON "member" +\("income_lofi"\)/,
      /CREATE INDEX "\w+" ON "member" +\("birth day_hmac"\)/,
      /CREATE INDEX "\w+" ON "member" +\("homeStreet_hmac"\)/,
    ]) {
      expect(statements).toMatch(expected)
    }
  })

  it('writes, finds, sorts and counts', async () => {
    const source = await open(database.url, [memberSchema])
    const members = source.getRepository<Member>('member')
    await members.save([structuredClone(ADA), structuredClone(BOB)])
    expect(await members.find({ order: { id: 'ASC' } })).toEqual([ADA, BOB])
    expect(await members.findOneBy({ email: 'ada@example.com' })).toEqual(ADA)
    expect(await members.findBy({ address: { street: 'Main Road 1' } })).toEqual([BOB])
    expect(await members.find({ order: { born: 'DESC' }, take: 1 })).toEqual([BOB])
    expect(await members.countBy({ income: 52_000 })).toBe(1)
    await members.update({ email: 'BOB@example.com' }, { income: 7 })
    expect(await members.findOneByOrFail({ income: 7 })).toEqual({ ...BOB, income: 7 })
    const stored = await source.query('SELECT * FROM member WHERE id = 1')
    expect(JSON.stringify(stored)).not.toMatch(/Ada|1815-12-10|James/i)
  })

  it('enforces uniqueness', async () => {
    const source = await open(database.url, [memberSchema])
    const members = source.getRepository<Member>('member')
    await members.insert(structuredClone(ADA))
    const twice = members.insert({ ...BOB, email: 'ADA@example.com' })
    await expect(twice).rejects.toMatchObject({
      name: 'QueryFailedError',
      detail: expect.stringContaining('member.email'),
    })
  })

  it('binds to a class where the schema names one', async () => {
    class Robot {
      id!: number
      serial!: string
    }
    const schema = new EntitySchema<Robot>({
      name: 'Robot',
      target: Robot,
      columns: {
        id: { type: 'int', primary: true },
        ...encryptedColumn<Robot>('serial', { type: 'string', exact: true }),
      },
    })
    const source = await open(database.url, [schema])
    await source.manager.save(Object.assign(new Robot(), { id: 1, serial: 'R2' }))
    const found = await source.manager.findOneByOrFail(Robot, { serial: 'R2' })
    expect(found).toBeInstanceOf(Robot)
  })

  it('takes part in an inheritance tree', async () => {
    class Account {
      id!: number
      holder!: string
    }
    class Company extends Account {
      vat!: string
    }
    const account = new EntitySchema<Account>({
      name: 'Account',
      target: Account,
      inheritance: { pattern: 'STI', column: { name: 'kind', type: 'varchar' } as never },
      columns: {
        id: { type: 'int', primary: true },
        ...encryptedColumn<Account>('holder', { type: 'string', exact: true }),
      },
    })
    const company = new EntitySchema<Company>({
      name: 'Company',
      target: Company,
      type: 'entity-child',
      discriminatorValue: 'company',
      columns: encryptedColumn<Company>('vat', { type: 'string', exact: true, nullable: true }),
    })
    const source = await open(database.url, [account, company])
    expect(await pendingStatements(source)).toEqual([])
    await source.manager.save(Object.assign(new Company(), { id: 1, holder: 'Ada', vat: 'GB1' }))
    await source.manager.save(Object.assign(new Account(), { id: 2, holder: 'Bob' }))
    expect(await source.manager.findBy(Company, { holder: 'Ada', vat: 'GB1' })).toHaveLength(1)
    expect(await source.manager.find(Account, { order: { id: 'ASC' } })).toMatchObject([
      { id: 1, holder: 'Ada' },
      { id: 2, holder: 'Bob' },
    ])
    const indexed = await source.query(
      "SELECT count(*)::int AS n FROM pg_indexes WHERE tablename = 'account' AND indexdef LIKE '%_hmac)'",
    )
    expect(indexed).toEqual([{ n: 2 }])
  })

  it('keeps DataSources with keyrings of their own apart', async () => {
    const one = await open(database.url, [memberSchema])
    const two = await open(other.url, [memberSchema])
    for (const source of [one, two]) {
      await source.getRepository<Member>('member').save(structuredClone(ADA))
    }
    const [stored] = await two.query('SELECT email FROM member')
    await one.query('UPDATE member SET email = $1', [stored.email])
    await expect(one.getRepository<Member>('member').find()).rejects.toMatchObject({
      code: 'ERR_KEY_NOT_FOUND',
    })
    expect(await two.getRepository<Member>('member').find()).toEqual([ADA])
  })

  it('fails closed in a DataSource without withEncryption', async () => {
    const source = await open(database.url, [memberSchema])
    await source.getRepository<Member>('member').save(structuredClone(ADA))
    const plain = new DataSource({
      type: 'postgres',
      url: database.url,
      entities: [memberSchema],
    })
    opened.push(await plain.initialize())
    const members = plain.getRepository<Member>('member')
    const refused = { code: 'ERR_NOT_INSTALLED', message: expect.stringMatching(/withEncryption/) }
    await expect(members.save(structuredClone(BOB))).rejects.toMatchObject(refused)
    await expect(members.find()).rejects.toMatchObject(refused)
    expect(await source.getRepository<Member>('member').count()).toBe(1)
  })

  it('asks for a type', () => {
    const untyped = encryptedColumn as (property: string, options?: object) => object
    for (const options of [undefined, {}, { exact: true }]) {
      expect(() => untyped('email', options)).toThrow(
        expect.objectContaining({
          code: 'ERR_FIELD_INVALID',
          field: 'email',
          message: expect.stringContaining(`encryptedColumn('email', { type: 'string'`),
        }),
      )
    }
  })

  it('refuses a declaration that cannot be, naming the property', () => {
    expect(() => encryptedColumn('chart', { type: 'json', exact: true })).toThrow(
      expect.objectContaining({ code: 'ERR_FIELD_INVALID', field: 'chart' }),
    )
    expect(() => encryptedColumn('active', { type: 'boolean', exact: true })).toThrow(
      expect.objectContaining({ code: 'ERR_LEAKAGE_NOT_ACCEPTED', field: 'active' }),
    )
  })

  it.each([
    ['a plain column', { email: { type: 'text' } } as const],
    ['another declaration', encryptedColumn('email', { type: 'string' })],
  ])('refuses %s that takes the place of the property', async (_what, later) => {
    const schema = new EntitySchema<{ id: number; email: string }>({
      name: 'twice',
      columns: {
        id: { type: 'int', primary: true },
        ...encryptedColumn('email', { type: 'string', exact: true }),
        ...later,
      },
    })
    await expect(open(database.url, [schema])).rejects.toMatchObject({
      code: 'ERR_FIELD_INVALID',
      field: 'twice.email',
      message: expect.stringContaining('declared by another column as well'),
    })
  })

  it('is checked by the compiler', () => {
    const named = (): unknown =>
      new EntitySchema<Member>({
        name: 'member',
        columns: {
          id: { type: 'int', primary: true },
          // @ts-expect-error: no property of the entity
          ...encryptedColumn('emial', { type: 'string' }),
        },
      })
    const typed = (): unknown[] => [
      encryptedColumn<Member>('income', { type: 'number' }),
      // @ts-expect-error: a number is no string
      encryptedColumn<Member>('income', { type: 'string' }),
      // @ts-expect-error: the type must be given
      encryptedColumn<Member>('income', {}),
      // @ts-expect-error: a type of the database
      encryptedColumn<Member>('email', { type: 'varchar' }),
    ]
    expect([named, typed]).toHaveLength(2)
  })
})
