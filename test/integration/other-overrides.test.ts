import { DataSource, type Logger } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createDatabase, type TestDatabase } from '../database'
import { Person, Pet, setUp } from './people'

// Other libraries replace methods of the DataSource as well, before or after mortise.
let database: TestDatabase
let source: DataSource

beforeAll(async () => {
  database = await createDatabase()
  source = (await setUp(database.url, [Person, Pet])).dataSource
  await source.getRepository(Person).save({ id: 1, ward: 'A', email: 'ada@example.com', income: 5 })
})
afterAll(async () => {
  await source.destroy()
  await database.drop()
})

const countByEmail = () =>
  source
    .createQueryBuilder(Person, 'p')
    .where('p.email = :email', { email: 'ADA@example.com' })
    .getCount()

type Create = DataSource['createQueryBuilder']

describe('createQueryBuilder', () => {
  it('may be replaced by one that calls the prototype', async () => {
    const { createQueryBuilder } = DataSource.prototype
    source.createQueryBuilder = ((...parameters: Parameters<Create>) =>
      createQueryBuilder.apply(source, parameters)) as Create
    expect(await countByEmail()).toBe(1)
    expect(await source.getRepository(Person).countBy({ email: 'ada@example.com' })).toBe(1)
  })

  it('may be wrapped', async () => {
    const inner = source.createQueryBuilder
    let calls = 0
    source.createQueryBuilder = ((...parameters: Parameters<Create>) => {
      calls++
      return inner.apply(source, parameters)
    }) as Create
    expect(await countByEmail()).toBe(1)
    expect(calls).toBeGreaterThan(0)
  })

  it('may be spied on, and restored', async () => {
    const spy = vi.spyOn(source, 'createQueryBuilder')
    expect(await countByEmail()).toBe(1)
    expect(spy).toHaveBeenCalled()
    spy.mockRestore()
    expect(await countByEmail()).toBe(1)
  })
})

describe('createEntityManager', () => {
  it('may be replaced by one that calls the prototype', async () => {
    const { createEntityManager } = DataSource.prototype
    source.createEntityManager = (queryRunner) => createEntityManager.call(source, queryRunner)
    const missing = source
      .createEntityManager()
      .findOneByOrFail(Person, { email: 'eve@example.com' })
    await expect(missing).rejects.toThrow('[encrypted Person.email]')
    await expect(missing).rejects.not.toThrow('eve@example.com')
  })
})

describe('setOptions', () => {
  it('may give another logger, which is shown no token either', async () => {
    const details: unknown[] = []
    const logger = {
      ...{ logQuery() {}, logQuerySlow() {}, logSchemaBuild() {}, logMigration() {}, log() {} },
      logQueryError: (error: string | Error) => details.push((error as { detail?: string }).detail),
    } as unknown as Logger
    source.setOptions({ logger })
    const twice = source
      .getRepository(Person)
      .insert({ id: 2, ward: 'A', email: 'ada@example.com' })
    await expect(twice).rejects.toThrow()
    expect(details).toEqual(['Key (email_hmac) of encrypted Person.email already exists.'])
  })
})
