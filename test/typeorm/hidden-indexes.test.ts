import { type DataSource, Entity, Index, PrimaryColumn, ViewColumn, ViewEntity } from 'typeorm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm/encrypted'
import { createDatabase, type TestDatabase } from '../database'
import { guardedDataSource, pendingStatements } from './data-source'

@Entity()
@Index('own_name', ['name_hmac'])
@Index('pair', ['city_hmac', 'id'])
class Patient {
  @PrimaryColumn() id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
  @Encrypted({ type: 'string', exact: true, range: { prefix: 1 } }) city!: string
  @Encrypted({ type: 'string', exact: { unique: true } }) email!: string
}

@ViewEntity({ expression: 'SELECT id, name, name_hmac FROM patient' })
class PatientView {
  @ViewColumn() id!: number
  @Encrypted({ type: 'string', exact: true }) name!: string
}

let database: TestDatabase
let dataSource: DataSource

beforeEach(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  await dataSource.destroy()
  await database.drop()
})

it('every hidden column has one index: its own, the unique one or that of the application', async () => {
  dataSource = guardedDataSource(database.url, { entities: [Patient, PatientView] })
  for (let start = 0; start < 2; start++) {
    await dataSource.initialize()
    await dataSource.synchronize()
    expect(await pendingStatements(dataSource)).toEqual([])
    const indexes = await dataSource.query(
      "SELECT indexname AS name, substring(indexdef from '[(].*') AS columns FROM pg_indexes WHERE tablename LIKE 'patient%' ORDER BY 2, 1",
    )
    expect(indexes).toEqual([
      { name: expect.stringMatching(/^IDX_/), columns: '(city_hmac)' },
      { name: 'pair', columns: '(city_hmac, id)' },
      { name: expect.stringMatching(/^IDX_/), columns: '(city_lofi)' },
      { name: expect.stringMatching(/^UQ_/), columns: '(email_hmac)' },
      { name: expect.stringMatching(/^PK_/), columns: '(id)' },
      { name: 'own_name', columns: '(name_hmac)' },
    ])
    if (start === 0) await dataSource.destroy()
  }
})
