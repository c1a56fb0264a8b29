import 'reflect-metadata'
import { inspect } from 'node:util'
import { Column, Entity, EntitySchema, Index, PrimaryColumn, Unique } from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Encrypted, encryptedColumn, encryptedUniqueViolation } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { pendingStatements } from '../typeorm/data-source'
import { type Setup, setUp } from './people'

@Entity()
@Unique(['tenant', 'email'])
@Unique('own_name', ['born', 'name'])
@Index(['ward', 'name'])
@Index(['ward', 'age_lofi'])
@Index(['phone'], { where: '"phone" IS NOT NULL', unique: true })
class Member {
  @PrimaryColumn('int') id!: number
  @Column('int') tenant!: number
  @Column('text') ward!: string
  @Encrypted({ type: 'string', exact: { normalize: 'email', group: 'mail' } }) email!: string
  @Encrypted({ type: 'string', exact: true }) name!: string
  @Encrypted({ type: 'date', exact: true }) born!: string
  @Encrypted({ type: 'number', range: { step: 10 } }) age!: number
  @Index() @Encrypted({ type: 'string', exact: true, nullable: true }) phone!: string | null
}

@Entity()
class Invitation {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: { normalize: 'email', group: 'mail' } }) to!: string
  @Encrypted({ type: 'string', exact: { normalize: 'email' } }) from!: string
}

interface Device {
  id: number
  owner: string
  serial: string
}

const DeviceSchema = new EntitySchema<Device>({
  name: 'Device',
  columns: {
    id: { type: 'int', primary: true },
    owner: { type: 'text' },
    ...encryptedColumn('serial', { type: 'string', exact: true }),
  },
  uniques: [{ columns: ['owner', 'serial'] }],
})

let database: TestDatabase
let setup: Setup

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Member, Invitation, DeviceSchema])
})

beforeEach(async () => {
  await setup.dataSource.query('TRUNCATE member, invitation, device')
  setup.log.length = 0
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const members = () => setup.dataSource.getRepository(Member)

const member = (id: number, values: Partial<Member> = {}): Member =>
  members().create({
    ...{ id, tenant: 1, ward: 'A', email: `m${id}@x.org`, name: `n${id}` },
    ...{ born: '2000-01-01', age: 30, phone: null, ...values },
  })

async function failureOf(write: () => Promise<unknown>): Promise<Error> {
  const error: unknown = await write().catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(Error)
  return error as Error
}

describe('indexes and constraints that name encrypted properties', () => {
  it('are made over their tokens, and agree with the database', async () => {
    const rows = await setup.dataSource.query(
      `SELECT indexdef FROM pg_indexes WHERE tablename IN ('member', 'device')`,
    )
    const definitions = rows.map(({ indexdef }: { indexdef: string }) =>
      indexdef.replaceAll('"', ''),
    )
    for (const columns of [
      '(tenant, email_hmac)',
      '(born_hmac, name_hmac)',
      '(ward, name_hmac)',
      '(ward, age_lofi)',
      '(phone_hmac) WHERE (phone IS NOT NULL)',
      '(owner, serial_hmac)',
    ]) {
      expect(definitions.filter((text: string) => text.endsWith(columns))).toHaveLength(1)
    }
    expect(definitions.filter((text: string) => /[(, ](email|name|phone)[,)]/.test(text))).toEqual(
      [],
    )
    expect(await pendingStatements(setup.dataSource)).toEqual([])
  })

  it('hold for equal values, alone and together, and leave NULL alone', async () => {
    await members().insert([member(1), member(2, { tenant: 2, email: 'm1@x.org' })])
    await members().insert([member(3, { phone: '1' }), member(4)])
    const taken = [
      () => members().insert(member(5, { email: 'M1@X.org' })),
      () => members().save(member(6, { name: 'n1' })),
      () => members().update({ id: 2 }, { tenant: 1 }),
      () => members().update({ id: 4 }, { phone: '1' }),
    ]
    for (const write of taken) {
      expect(await failureOf(write)).toMatchObject({ name: 'QueryFailedError', code: '23505' })
    }
    expect(await members().count()).toBe(4)
    const devices = setup.dataSource.getRepository(DeviceSchema)
    await devices.insert([
      { id: 1, owner: 'a', serial: 's' },
      { id: 2, owner: 'b', serial: 's' },
    ])
    const again = await failureOf(() => devices.insert({ id: 3, owner: 'a', serial: 's' }))
    expect(encryptedUniqueViolation(again)?.properties).toEqual(['Device.serial'])
  })

  it('decide an upsert', async () => {
    await members().upsert(member(1), ['tenant', 'email'])
    await members().upsert(member(7, { email: 'M1@x.org', name: 'other' }), {
      conflictPaths: ['tenant', 'email'],
    })
    const [only, ...others] = await members().find()
    expect(others).toEqual([])
    expect(only).toMatchObject({ name: 'other', email: 'M1@x.org' })
    expect(await members().countBy({ email: 'm1@x.org', name: 'other' })).toBe(1)
  })
})

describe('a violation', () => {
  it('names the properties and shows no value, token or envelope', async () => {
    await members().insert(member(1, { phone: '555-canary' }))
    const [row] = await setup.dataSource.query('SELECT * FROM member')
    setup.log.length = 0
    const writes = [
      () => members().insert(member(2, { email: 'M1@x.org', phone: '555-canary' })),
      () => members().save(member(3, { name: 'n1' })),
      () =>
        members()
          .createQueryBuilder()
          .update()
          .set({ phone: '555-canary', id: 9 })
          .where('id = 1')
          .execute()
          .then(() => members().insert(member(1, { name: 'n1' }))),
    ]
    for (const write of writes) {
      const error = await failureOf(write)
      const violation = encryptedUniqueViolation(error)
      expect(violation?.properties.join()).toMatch(/^Member\.\w+/)
      expect(violation?.constraint).toMatch(/./)
      const shown = [inspect(error, { depth: 9 }), String(error.stack), ...setup.log].join('\n')
      expect(shown).toContain('Member.')
      for (const text of ['canary', 'm1@x.org', row.email_hmac.toString('hex'), 'e1 00 ', 'e100']) {
        expect(shown.toLowerCase()).not.toContain(text)
      }
    }
    const other = await failureOf(() => members().insert(member(8, { ward: null as never })))
    expect(encryptedUniqueViolation(other)).toBeUndefined()
  })
})

describe('fields of one group', () => {
  it('are joined and looked up by their tokens, others are not', async () => {
    const invitations = setup.dataSource.getRepository(Invitation)
    await members().insert([member(1), member(2)])
    await invitations.insert({ id: 1, to: 'M2@X.org', from: 'm1@x.org' })
    const builder = members().createQueryBuilder('m')
    const joined = builder.innerJoin(Invitation, 'i', 'i.to = m.email')
    expect((await joined.getMany()).map(({ id }) => id)).toEqual([2])
    const raw = await setup.dataSource.query(
      'SELECT m.id FROM member m JOIN invitation i ON i.to_hmac = m.email_hmac',
    )
    expect(raw).toEqual([{ id: 2 }])
    const other = members().createQueryBuilder('m').innerJoin(Invitation, 'i', 'i.from = m.email')
    await expect(other.getMany()).rejects.toMatchObject({ code: 'ERR_QUERY_UNSUPPORTED' })
  })
})
