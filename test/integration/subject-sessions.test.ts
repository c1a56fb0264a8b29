import { randomUUID } from 'node:crypto'
import { PGlite } from '@electric-sql/pglite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { shred } from '../../src/rotation'
import { createDatabase, type TestDatabase } from '../database'
import { pgliteDriver } from '../pglite'
import { type Setup, setUp } from './people'
import { Person, Visit } from './tenants'

const ENTITIES = [Person, Visit]

let database: TestDatabase
const opened: Setup[] = []

beforeEach(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  for (const { dataSource } of opened.splice(0)) await dataSource.destroy()
  await database.drop()
})

async function start(...[options, encryption]: [object?, object?]): Promise<Setup> {
  const setup = await setUp(database.url, ENTITIES, { ...options }, { ...encryption })
  opened.push(setup)
  return setup
}

const people = ({ dataSource }: Setup) => dataSource.getRepository(Person)
const names = async (setup: Setup) => (await people(setup).find()).map(({ name }) => name).sort()

async function rolledBack(setup: Setup, id: string): Promise<void> {
  const work = setup.dataSource.transaction(async (manager) => {
    await manager.insert(Person, { id, name: 'rolled back' })
    expect(await manager.findOneBy(Person, { id })).toMatchObject({ name: 'rolled back' })
    throw new Error('no')
  })
  await expect(work).rejects.toThrow('no')
}

describe('subjects', () => {
  it('do not wait for themselves where the pool has one connection', async () => {
    const setup = await start({ poolSize: 1 })
    const ids = Array.from({ length: 8 }, () => randomUUID())
    await Promise.all(ids.map((id) => people(setup).save({ id, name: id })))
    expect(await names(setup)).toEqual([...ids].sort())
  })

  it('outlive a transaction that made their key and was rolled back', async () => {
    const setup = await start()
    const id = randomUUID()
    await rolledBack(setup, id)
    await people(setup).insert({ id, name: 'kept' })
    const other = await start({ synchronize: false }, { secret: setup.secret })
    expect(await names(other)).toEqual(['kept'])
  })

  it('have one key, whichever of two processes writes first', async () => {
    const one = await start()
    const two = await start({ synchronize: false }, { secret: one.secret })
    const id = randomUUID()
    const visit = (number: number) => ({ id: number, ownerId: id, reason: `r${number}` })
    const writers = [one, two, one, two].map(({ dataSource }, number) =>
      dataSource.getRepository(Visit).insert(visit(number)),
    )
    await Promise.all(writers)
    const rows: { id: string }[] = await one.dataSource.query(
      `SELECT DISTINCT substring(reason from 3 for 8) AS id FROM visit`,
    )
    expect(rows).toHaveLength(1)
    const select = { id: true, reason: true } as const
    for (const { dataSource } of [one, two]) {
      const found = await dataSource.getRepository(Visit).find({ select, order: { id: 'ASC' } })
      expect(found.map(({ reason }) => reason)).toEqual(['r0', 'r1', 'r2', 'r3'])
    }
  })

  it('are gone for another process as soon as it sees that the key store changed', async () => {
    const one = await start()
    const two = await start(
      { synchronize: false },
      { secret: one.secret, keyring: { cache: { epochPollMs: 0 } } },
    )
    const [gone, stays] = [randomUUID(), randomUUID()]
    await people(one).insert([
      { id: gone, name: 'a' },
      { id: stays, name: 'b' },
    ])
    expect(await names(two)).toEqual(['a', 'b'])
    await shred(one.dataSource, { subject: gone })
    for (const setup of [one, two]) {
      await expect(people(setup).find()).rejects.toMatchObject({ code: 'ERR_SUBJECT_SHREDDED' })
      expect(await people(setup).findOneBy({ id: stays })).toMatchObject({ name: 'b' })
    }
    await people(two).update(gone, { name: 'begun again' })
    expect(await names(one)).toEqual(['b', 'begun again'])
  })

  it('work on PGlite, which has one connection', async () => {
    const driver = pgliteDriver(new PGlite())
    const options = { driver, installExtensions: false, uuidExtension: 'pgcrypto' }
    const setup = await start(options)
    const [kept, gone] = [randomUUID(), randomUUID()]
    await rolledBack(setup, kept)
    await setup.dataSource.transaction((manager) =>
      manager.insert(Person, [
        { id: kept, name: 'kept' },
        { id: gone, name: 'gone' },
      ]),
    )
    expect(await names(setup)).toEqual(['gone', 'kept'])
    const { keys, tables } = await shred(setup.dataSource, { subject: gone })
    expect([keys.length, tables]).toEqual([1, [{ table: 'person', clearedRows: 1 }]])
    await expect(names(setup)).rejects.toMatchObject({ code: 'ERR_SUBJECT_SHREDDED' })
    expect(await people(setup).findOneBy({ id: kept })).toMatchObject({ name: 'kept' })
  })
})
