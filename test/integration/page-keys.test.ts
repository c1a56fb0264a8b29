import 'reflect-metadata'
import { Entity, MoreThan, PrimaryColumn, ViewColumn, ViewEntity } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { type Setup, setUp } from './people'

@Entity()
class Reading {
  @PrimaryColumn('timestamp with time zone', { precision: 3 }) at!: Date
  @Encrypted({ type: 'number', range: { step: 10 } }) value!: number
}

@Entity()
class Sample {
  @PrimaryColumn('timestamp with time zone') at!: Date
  @Encrypted({ type: 'number', range: { step: 10 } }) value!: number
}

@ViewEntity({ expression: 'SELECT at, value, value_lofi FROM reading', dependsOn: [Reading] })
class Shown {
  @ViewColumn() at!: Date
  @Encrypted({ type: 'number', range: { step: 10 }, fieldId: 'reading.value' }) value!: number
}

const ENTITIES = [Reading, Sample, Shown]
let database: TestDatabase
let setup: Setup

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, ENTITIES)
  const rows = Array.from({ length: 9 }, (_, i) => ({ at: new Date(1e12 + i), value: 9 - i }))
  for (const entity of [Reading, Sample]) await setup.dataSource.getRepository(entity).insert(rows)
  // As a default of now() would write it: no Date is equal to it.
  await setup.dataSource.query(`UPDATE sample SET at = at + interval '7 microseconds'`)
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const find = (entity: (typeof ENTITIES)[number], take?: number) =>
  setup.dataSource
    .getRepository<Reading>(entity)
    .find({ where: { value: MoreThan(3) }, order: { value: 'ASC' }, ...(take ? { take } : {}) })

const valuesOf = (rows: readonly Reading[]) => rows.map(({ value }) => value)

describe('a page that is found by primary keys', () => {
  it('finds rows whose key is a timestamp again', async () => {
    expect(valuesOf(await find(Reading, 2))).toEqual([4, 5])
  })

  it('is refused where a Date has fewer digits than the key', async () => {
    await expect(find(Sample, 2)).rejects.toMatchObject({
      code: 'ERR_QUERY_UNSUPPORTED',
      message: expect.stringMatching(/^Sample\.value: .*Sample\.at .*precision: 3/),
    })
    expect(valuesOf(await find(Sample))).toEqual([4, 5, 6, 7, 8, 9])
  })

  it('is refused where there is no key', async () => {
    await expect(find(Shown, 2)).rejects.toMatchObject({
      code: 'ERR_QUERY_UNSUPPORTED',
      message: expect.stringMatching(/^Shown\.value: .*Shown has none: declare @PrimaryColumn/),
    })
    expect(valuesOf(await find(Shown))).toEqual([4, 5, 6, 7, 8, 9])
  })
})
