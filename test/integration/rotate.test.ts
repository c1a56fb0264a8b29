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
