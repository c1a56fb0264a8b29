import { Between, MoreThan } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectIndexed } from '../../src/testing'
import { explainEncrypted } from '../../src/typeorm'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet])
  const rows = Array.from({ length: 20 }, (_, id) => ({
    ...{ id, ward: 'A', email: `p${id}@x.org`, income: id, birthDate: null },
    ...{ surname: 'Quagga', chart: null },
  }))
  await people().insert(rows)
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const people = () => setup.dataSource.getRepository(Person)
const builder = () => people().createQueryBuilder('p')

describe('explainEncrypted', () => {
  it('tells columns, what is opened, and the index of each', async () => {
    const query = builder()
      .where({ email: 'p1@x.org' })
      .andWhere('p.income BETWEEN :a AND :b', { a: 1, b: 5 })
      .orderBy('p.birthDate')
    const before = query.getParameters()
    const { properties, indexed, sql } = await explainEncrypted(query)
    expect(properties).toMatchObject([
      { property: 'Person.email', column: 'email_hmac', use: 'condition', decidedBy: 'database' },
      { property: 'Person.income', column: 'income_lofi', use: 'condition', decidedBy: 'opened' },
      { property: 'Person.birthDate', column: 'birthDate_lofi', use: 'order', decidedBy: 'opened' },
    ])
    expect(indexed).toBe(true)
    expect(properties.filter(({ index }) => index !== null).length).toBeGreaterThan(0)
    expect(sql).toContain('"p"."email_hmac" IN ($')
    expect(sql).not.toContain('x.org')
    expect(Object.keys(query.getParameters())).toEqual(expect.arrayContaining(Object.keys(before)))
    expect(await query.getMany()).toHaveLength(1)
  })

  it('explains joins, updates and deletes', async () => {
    const joined = builder().leftJoin('p.pets', 'pet').where('pet.name = :n', { n: 'x' })
    expect((await explainEncrypted(joined)).properties).toMatchObject([
      { property: 'Pet.name', alias: 'pet', column: 'name_hmac', decidedBy: 'database' },
    ])
    const update = builder().update().set({ ward: 'B' }).where('email = :e', { e: 'p1@x.org' })
    const explained = await explainEncrypted(update)
    expect(explained).toMatchObject({
      indexed: true,
      properties: [{ property: 'Person.email', index: expect.stringMatching(/./) }],
    })
    expect(await people().countBy({ ward: 'B' })).toBe(0)
    const removal = builder().delete().where({ email: 'p1@x.org' })
    expect((await explainEncrypted(removal)).indexed).toBe(true)
    expect(await people().count()).toBe(20)
  })

  it('refuses what the query would be refused for, and plain queries', async () => {
    await expect(explainEncrypted(builder().where('lower(p.email) = 1'))).rejects.toMatchObject({
      code: 'ERR_QUERY_UNSUPPORTED',
    })
    const plain = setup.dataSource.createQueryBuilder().select('1').from('pg_class', 'c')
    await expect(explainEncrypted(plain)).rejects.toMatchObject({ code: 'ERR_CONFIG' })
  })
})

describe('without an SQL index', () => {
  const drop = async () => {
    const [{ indexname }] = await setup.dataSource.query(
      `SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%income_lofi%'`,
    )
    await setup.dataSource.query(`DROP INDEX "${indexname}"`)
  }

  it('finders fail the test that expects one', async () => {
    const find = () => people().findBy({ income: Between(3, 5) })
    const byKey = () => people().findBy({ id: 3, income: MoreThan(1) })
    expect(await expectIndexed(setup.dataSource, find)).toHaveLength(3)
    await drop()
    await expect(expectIndexed(setup.dataSource, find)).rejects.toThrow(
      /^Person\.income: no SQL index serves the condition on income_lofi/,
    )
    expect(await expectIndexed(setup.dataSource, byKey)).toHaveLength(1)
    const observers = setup.dataSource.subscribers.length
    await expect(
      expectIndexed(setup.dataSource, () => Promise.reject(new Error('own'))),
    ).rejects.toThrow('own')
    expect(setup.dataSource.subscribers).toHaveLength(observers)
    const { indexed, properties } = await explainEncrypted(builder().where('p.income > 3'))
    expect({ indexed, index: properties[0]?.index }).toEqual({ indexed: false, index: null })
  })
})
