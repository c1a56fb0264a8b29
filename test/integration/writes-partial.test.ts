import 'reflect-metadata'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { createDatabase } from '../database'
import { type Setup, setUp } from './people'

class Address {
  @Encrypted({ type: 'string', exact: true, nullable: true }) street!: string | null
  @Column('text', { nullable: true }) zip!: string | null
}

@Entity()
class Member {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Encrypted({ type: 'string', exact: true, nullable: true }) email!: string | null
  @Encrypted('number', { range: { step: 10 }, nullable: true }) income!: number | null
  @Encrypted({ type: 'string', exact: true, nullable: true, select: false }) pin!: string | null
  @Column(() => Address) address!: Address
}

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Member])
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const members = () => setup.dataSource.getRepository(Member)
const stored = async () => (await setup.dataSource.query('SELECT * FROM member'))[0]
const SEALED = [
  ...['email', 'email_hmac', 'income', 'income_lofi', 'pin', 'pin_hmac'],
  ...['addressStreet', 'addressStreet_hmac'],
]

async function sealedColumns(): Promise<unknown[]> {
  const row = await stored()
  return SEALED.map((name) => row[name])
}

async function saveTwice(member: Member): Promise<void> {
  await members().save(Object.assign(member, { ward: 'B' }))
  await members().save(Object.assign(member, { ward: 'C' }))
}

beforeEach(async () => {
  await members().clear()
  const address = { street: 'Elm Street', zip: '1' }
  await members().insert({ id: 1, ward: 'A', email: 'a@x.org', income: 5, pin: '42', address })
})

describe('a value that an entity was not loaded with survives two saves', () => {
  const loads: [string, () => Promise<Member>][] = [
    ['select: false', () => members().findOneByOrFail({ id: 1 })],
    [
      'a partial select',
      async () => (await members().find({ select: { id: true, ward: true } }))[0] as Member,
    ],
    [
      'a part of an embedded object',
      async () =>
        (await members().find({ select: { id: true, address: { zip: true } } }))[0] as Member,
    ],
    ['no load at all', async () => members().create({ id: 1 })],
  ]
  it.each(loads)('%s', async (_, load) => {
    const before = await sealedColumns()
    await saveTwice(await load())
    expect(await sealedColumns()).toEqual(before)
    expect((await stored()).ward).toBe('C')
  })
})

describe('a value that an entity was inserted with survives two saves without it', () => {
  it('beside one that was left out and is given later', async () => {
    const member = members().create({ id: 2, ward: 'A', email: 'b@x.org', income: 7 })
    await members().save(member)
    expect(member.pin).toBeNull()
    await members().save(Object.assign(member, { pin: '43' }))
    await saveTwice(Object.assign(member, { income: undefined, pin: undefined }))
    expect(
      await members().findOne({ where: { id: 2 }, select: { id: true, income: true, pin: true } }),
    ).toEqual(expect.objectContaining({ income: 7, pin: '43' }))
  })

  it('where insert() left it out, and a save() gave it', async () => {
    const member = members().create({ id: 2, ward: 'A' })
    await members().insert(member)
    await members().save(Object.assign(member, { email: 'b@x.org' }))
    await saveTwice(Object.assign(member, { email: undefined }))
    expect(await members().findOneByOrFail({ id: 2 })).toMatchObject({ email: 'b@x.org' })
  })
})

describe('null is written where it was given', () => {
  it('by create, merge and preload, with its index columns', async () => {
    const made = members().create({ id: 1, email: null, address: { street: null } })
    expect([made.email, made.address.street]).toEqual([null, null])
    await members().save(made)
    await members().save(members().merge(members().create({ id: 1 }), { pin: null }))
    await members().save((await members().preload({ id: 1, income: null })) as Member)
    expect(await sealedColumns()).toEqual(SEALED.map(() => null))
  })

  it('by a property that an earlier save left undefined', async () => {
    const member = members().create({ id: 1, ward: 'B' })
    await members().save(member)
    expect(member.email).toBeUndefined()
    await members().save(Object.assign(member, { email: null }))
    expect(await stored()).toMatchObject({ email: null, email_hmac: null })
  })

  it('and read as null', async () => {
    await members().update(1, { email: null })
    expect(await members().findOneByOrFail({ id: 1 })).toMatchObject({ email: null })
  })
})
