import { DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

@Entity()
class Tag {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string' }) label!: string
}

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

it('asks the key store as often for many fields as for one', async () => {
  const start = async (entities: DataSourceOptions['entities']) => {
    const options = { synchronize: false }
    const started = await setUp(database.url, entities, options, { secret: setup.secret })
    await started.dataSource.destroy()
    return started.log.filter((line) => line.includes('mortise_')).length
  }
  // The first start of a field writes it down.
  await start([Tag])
  const questions = await start([Tag])
  expect(questions).toBeGreaterThan(0)
  expect(await start([Person, Pet])).toBe(questions)
})

it('refuses to start over plaintext, and lets a migration change an empty column', async () => {
  const other = await createDatabase()
  const columns =
    'id int PRIMARY KEY, "ownerId" int, name text, name_hmac bytea, weight bytea, weight_lofi float8'
  const client = new DataSource({ type: 'postgres', url: other.url })
  await client.initialize()
  await client.query(`CREATE TABLE pet (${columns})`)
  const start = () => setUp(other.url, [Person, Pet], { synchronize: false })
  const pending = await start()
  await pending.dataSource.destroy()
  await client.query("INSERT INTO pet (id, name) VALUES (1, 'Rex')")
  expect(await start().catch((error) => error)).toMatchObject({
    code: 'ERR_WOULD_DROP_PLAINTEXT',
    field: 'Pet.name',
  })
  await client.destroy()
  await other.drop()
})
