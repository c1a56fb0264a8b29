import 'reflect-metadata'
import {
  Column,
  Entity,
  type EntityMetadata,
  MoreThan,
  PrimaryColumn,
  ViewColumn,
  ViewEntity,
} from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { census, mayRetire } from '../../src/rotation'
import { Encrypted } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { pendingStatements } from '../typeorm/data-source'
import { type Setup, setUp } from './people'

@Entity()
class Worker {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Encrypted({ type: 'string', exact: true }) name!: string
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true }) pay!: number | null
}

@ViewEntity({
  expression: `SELECT id, name, name_hmac, pay AS wage, pay_lofi AS wage_lofi FROM worker WHERE ward = 'A'`,
  dependsOn: [Worker],
})
class WardA {
  @ViewColumn() id!: number
  @Encrypted({ type: 'string', exact: true, fieldId: 'worker.name' }) name!: string
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true, fieldId: 'worker.pay' })
  wage!: number | null
}

@ViewEntity({ expression: 'SELECT id, name FROM worker' })
class OtherDeclaration {
  @ViewColumn() id!: number
  @Encrypted({ type: 'string', fieldId: 'worker.name' }) name!: string
}

let database: TestDatabase
let setup: Setup

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Worker, WardA])
  await setup.dataSource.getRepository(Worker).insert([
    { id: 1, ward: 'A', name: 'a', pay: 5 },
    { id: 2, ward: 'A', name: 'b', pay: 15 },
    { id: 3, ward: 'B', name: 'a', pay: 25 },
  ])
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

describe('a view over a table with encrypted columns', () => {
  const view = () => setup.dataSource.getRepository(WardA)

  it('is read and asked like the table, under the field ids of the table', async () => {
    expect(await view().find({ order: { wage: 'DESC' } })).toEqual([
      { id: 2, name: 'b', wage: 15 },
      { id: 1, name: 'a', wage: 5 },
    ])
    expect(await view().findBy({ name: 'a' })).toEqual([{ id: 1, name: 'a', wage: 5 }])
    expect(await view().countBy({ wage: MoreThan(5) })).toBe(1)
    const text = view().createQueryBuilder('v').where('v.name = :n AND v.wage < 9', { n: 'a' })
    expect(await text.getMany()).toHaveLength(1)
  })

  it('changes nothing in the schema, and is no table for jobs', async () => {
    expect(await pendingStatements(setup.dataSource)).toEqual([])
    const tables = new Set((await census(setup.dataSource)).map(({ table }) => table))
    expect([...tables]).toEqual(['worker', 'mortise_index'])
    const [active] = await setup.keyring.keys()
    const { needs } = await mayRetire(setup.dataSource, { keyId: active?.id as string })
    expect(needs.filter(({ place }) => !place.includes('.'))).toHaveLength(1)
  })

  it('must declare what the table declares', async () => {
    const start = setUp(database.url, [Worker, OtherDeclaration], { synchronize: false })
    await expect(start).rejects.toThrow(
      /OtherDeclaration\.name.*declared differently in Worker\.name/,
    )
  })
})

describe('what a view may not do', () => {
  const start = (expression: EntityMetadata['expression'], ...properties: string[]) => {
    class Shown {}
    ViewEntity({ expression: expression as string, synchronize: false })(Shown)
    for (const property of properties) ViewColumn()(Shown.prototype, property)
    const { url } = database
    const { secret } = setup
    return setUp(url, [Worker, Shown], { synchronize: false }, { secret }).then(({ dataSource }) =>
      dataSource.destroy(),
    )
  }

  it.each<[EntityMetadata['expression'], string]>([
    ['SELECT id, name FROM worker', 'name'],
    ['SELECT w.name AS label FROM worker w', 'label'],
    ['SELECT id, w.name "label" FROM worker w', 'label'],
    ['SELECT * FROM worker', 'pay'],
    ['WITH w AS (SELECT * FROM worker) SELECT w.name FROM w', 'name'],
    ['SELECT x.label FROM (SELECT name AS label FROM worker) x', 'label'],
    ['SELECT ward AS name FROM worker UNION ALL SELECT name FROM worker', 'name'],
    [(one) => one.createQueryBuilder().select('w.name', 'label').from(Worker, 'w'), 'label'],
  ])('show envelopes as values: %s', async (expression, property) => {
    await expect(start(expression, 'id', property)).rejects.toMatchObject({
      code: 'ERR_FIELD_INVALID',
      field: `Shown.${property}`,
      message: expect.stringMatching(/envelopes of Worker\..*@Encrypted.*fieldId: 'worker\./),
    })
  })

  it.each([
    [`SELECT id FROM worker WHERE name = 'a'`, 'ERR_FIELD_INVALID'],
    ['SELECT count(DISTINCT name) AS id FROM worker', 'ERR_FIELD_INVALID'],
    ['SELECT min(name) AS id FROM worker', 'ERR_QUERY_UNSUPPORTED'],
    ['SELECT id, to_jsonb(w) FROM worker w ORDER BY name', 'ERR_QUERY_UNSUPPORTED'],
  ])('compare envelopes: %s', async (expression, code) => {
    await expect(start(expression, 'id')).rejects.toMatchObject({ code })
  })

  it('while plain columns, NULL tests and counts are no concern of encryption', async () => {
    await start('SELECT id, ward FROM worker WHERE name IS NOT NULL', 'id', 'ward')
    await start('SELECT ward, count(name) AS id FROM worker GROUP BY ward', 'id', 'ward')
    await start('SELECT * FROM worker', 'id', 'ward')
  })
})
