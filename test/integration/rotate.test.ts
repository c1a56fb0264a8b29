import { Client } from 'pg'
import { MoreThan } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { census, disableKey, rewrap, rotateKek } from '../../src/rotation'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet])
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

describe('a rotation of the KEK', () => {
  it('moves every row to the new key, and the old one is not needed any more', async () => {
    const { dataSource, keyring } = setup
    const people = dataSource.getRepository(Person)
    const saved = Array.from({ length: 300 }, (_, id) => ({
      id,
      ward: 'A',
      email: `p${id}@example.com`,
      income: id * 100,
      birthDate: null,
      surname: 'Abel',
      chart: null,
    }))
    await people.save(saved.map((person) => people.create(person)))
    const { keyId, previousKeyId } = await rotateKek(keyring, { purpose: 'data' })
    await people.update(7, { income: 5_000_000 })
    const report = await rewrap(dataSource, { batchSize: 50 })
    expect(report).toMatchObject({ keyId, done: 899, failedCount: 0, skipped: 0 })
    expect(await people.countBy({ version: 1 })).toBe(299)
    const counted = (await census(dataSource)).filter(({ format }) => format !== null)
    expect(new Set(counted.map((row) => row.keyId))).toEqual(new Set([keyId]))
    await disableKey(keyring, { keyId: previousKeyId as string })
    expect(await people.countBy({ income: MoreThan(29_000) })).toBe(10)
    const [person] = await people.findBy({ email: 'P7@example.com' })
    expect(person).toMatchObject({ id: 7, income: 5_000_000, surname: 'Abel', version: 2 })
  })
})

/** As pg-native does it, which TypeORM takes wherever it is installed: also an empty list is a list. */
class PreparingClient extends Client {
  // biome-ignore lint/suspicious/noExplicitAny: pg has one method for all forms of a statement
  override query(text: any, values?: any, done?: any): any {
    if (typeof text !== 'string' || !Array.isArray(values)) return super.query(text, values, done)
    return super.query({ text, values, queryMode: 'extended' } as never, done)
  }
}

it('works with a driver that prepares each statement that comes with parameters', async () => {
  const fresh = await createDatabase()
  const { dataSource, keyring } = await setUp(fresh.url, [Person, Pet], {
    extra: { Client: PreparingClient },
  })
  try {
    await dataSource.getRepository(Pet).insert({ id: 1, name: 'Rex', weight: 7 })
    await rotateKek(keyring, { purpose: 'data' })
    expect(await rewrap(dataSource)).toMatchObject({ done: 2, failedCount: 0 })
  } finally {
    await dataSource.destroy()
    await fresh.drop()
  }
})
