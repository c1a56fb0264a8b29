import { Between } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../src'
import { createDatabase, type TestDatabase } from '../database'
import { type CountedProvider, countedProvider } from './counted-provider'
import { Person, Pet, type Setup, setUp } from './people'
import { Note } from './tenants'

const secret = generateRootKey()

let database: TestDatabase
let counted: CountedProvider
let setup: Setup

beforeAll(async () => {
  database = await createDatabase()
  counted = countedProvider(secret)
  setup = await start(counted)
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

function start({ provider }: CountedProvider, more: Record<string, unknown> = {}): Promise<Setup> {
  return setUp(database.url, [Person, Pet], more, {
    keyring: { providers: [provider], wrapping: 'provider' },
  })
}

const people = ({ dataSource } = setup) => dataSource.getRepository(Person)

function person(id: number): Partial<Person> {
  return { id, ward: 'A', email: `p${id}@x.org`, income: id, surname: 'Abel', birthDate: null }
}

describe("wrapping: 'provider'", () => {
  it('asks the provider once for each record written, and never for warm reads', async () => {
    counted.reset()
    await people().insert(Array.from({ length: 20 }, (_, id) => person(id)))
    expect(counted.calls).toEqual({ 'wrap dek': 20 })
    counted.reset()
    expect(await people().find()).toHaveLength(20)
    const unwrapped = counted.calls['unwrap dek'] ?? 0
    expect(unwrapped).toBeLessThanOrEqual(20)
    counted.reset()
    const where = { income: Between(3, 8), surname: 'Abel' }
    expect((await people().find({ where, order: { income: 'DESC' } })).map(({ id }) => id)).toEqual(
      [8, 7, 6, 5, 4, 3],
    )
    const found = await people().findOneByOrFail({ email: 'P4@x.org' })
    expect(counted.calls).toEqual({})
    await people().save(Object.assign(found, { surname: 'Bell', income: 77 }))
    expect(counted.calls['wrap dek']).toBe(1)
    counted.reset()
    await people().update({ email: 'p4@x.org' }, { surname: null })
    expect(counted.calls).toEqual({})
    expect(await people().findOneByOrFail({ id: 4 })).toMatchObject({ surname: null, income: 77 })
    expect(counted.calls).toEqual({ 'unwrap dek': 1 })
  })

  it('stores what names the provider, and no KEK', async () => {
    const rows: { email: Buffer; surname: Buffer }[] = await setup.dataSource.query(
      'SELECT email, surname FROM person WHERE id = 2',
    )
    expect(rows.map(({ email, surname }) => [email[1], surname[1]])).toEqual([[8, 8]])
    const [key] = (await setup.keyring.keys()).filter(({ purpose }) => purpose === 'data')
    expect(rows[0]?.email.toString('hex', 2, 10)).toBe(key?.id)
    const stored = await setup.dataSource.query(
      `SELECT octet_length(kcv) AS kcv, octet_length(wrapped) AS wrapped
        FROM mortise_key JOIN mortise_key_wrap ON key_id = id WHERE purpose = 'data'`,
    )
    expect(stored).toEqual([{ kcv: 0, wrapped: 0 }])
  })

  it('is read cold with one call for each record, by another process', async () => {
    const other = countedProvider(secret)
    const cold = await start(other, { synchronize: false })
    const rows = await people(cold).find({ where: { ward: 'A' }, take: 3, order: { id: 'ASC' } })
    expect(rows.map(({ email }) => email)).toEqual(['p0@x.org', 'p1@x.org', 'p2@x.org'])
    expect(other.calls['unwrap dek']).toBe(3)
    await cold.dataSource.destroy()
  })

  it('has no keys of subjects, which start-up says', async () => {
    const keyring = { providers: [countedProvider().provider], wrapping: 'provider' } as const
    await expect(setUp(database.url, [Note], {}, { keyring })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      field: 'Note.title',
    })
  })
})
