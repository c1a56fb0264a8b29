import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet], { synchronize: false })
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

it('declares fields once, also where every statement is in a transaction', async () => {
  const { dataSource, log } = setup
  await dataSource.synchronize()
  const people = dataSource.getRepository(Person)
  const person = (id: number) => people.create({ id, ward: 'A', email: `p${id}@x.org` })
  await people.save(person(1))
  expect(log.some((line) => line.includes('mortise_index'))).toBe(true)
  log.length = 0
  await people.save(person(2))
  expect(log.filter((line) => line.includes('mortise_'))).toEqual([])
})
