import 'reflect-metadata'
import { Column, Entity, MoreThan, PrimaryColumn, ViewColumn, ViewEntity } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { census } from '../../src/rotation'
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
    expect([...tables]).toEqual(['worker'])
  })

  it('must declare what the table declares', async () => {
    const start = setUp(database.url, [Worker, OtherDeclaration], { synchronize: false })
    await expect(start).rejects.toThrow(
      /OtherDeclaration\.name.*declared differently in Worker\.name/,
    )
  })
})
