import 'reflect-metadata'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encrypted, openRaw, openRawStream } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

@Entity()
class Sample {
  @PrimaryColumn('int') id!: number
  @Column('text') tenant!: string
  @Encrypted({ type: 'string', subject: 'tenant', nullable: true }) owned!: string | null
  @Encrypted({ type: 'number', bindRow: true }) bound!: number
  @Encrypted({ type: 'json', column: 'text' }) text!: unknown
}

let database: TestDatabase
let setup: Setup
let calls = 0

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet, Sample])
  const people = Array.from({ length: 600 }, (_, id) => ({
    ...{ id, ward: 'A', email: `p${id}@x.org`, income: id % 2 ? id : null },
    ...{ birthDate: null, surname: 'Quagga', chart: { allergies: [`a${id}`] } },
  }))
  await setup.dataSource.getRepository(Person).insert(people)
  await setup.dataSource.getRepository(Sample).insert([
    { id: 1, tenant: 't', owned: 'o', bound: 7, text: { a: 1 } },
    { id: 2, tenant: 'u', owned: null, bound: 8, text: [] },
  ])
  calls = setup.log.length
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const { query } = { query: (sql: string) => setup.dataSource.query(sql) }
const samples = () =>
  query('SELECT id AS nr, tenant AS t, owned AS o, bound AS b, text AS x FROM sample ORDER BY id')

describe('openRaw', () => {
  it('opens what getRawMany() gives, and leaves the rows alone', async () => {
    const builder = setup.dataSource.getRepository(Person).createQueryBuilder('p')
    const rows = await builder.where('p.id < 3').orderBy('p.id').getRawMany()
    const opened = await openRaw(setup.dataSource, Person, rows, 'p')
    expect(opened).toMatchObject([
      { p_id: 0, p_email: 'p0@x.org', p_income: null, p_ward: 'A' },
      { p_id: 1, p_email: 'p1@x.org', p_income: 1, p_chart: { allergies: ['a1'] } },
      { p_id: 2, p_email: 'p2@x.org', p_income: null, p_surname: 'Quagga' },
    ])
    expect(rows[1].p_email[0]).toBe(0xe1)
    const some = await builder.select('p.email').getRawMany()
    expect((await openRaw(setup.dataSource, Person, some, 'p'))[2]).toEqual({ p_email: 'p2@x.org' })
    expect(await openRaw(setup.dataSource, Person, [], 'p')).toEqual([])
  })

  it('opens rows of SQL by hand, with the subject and the key that values need', async () => {
    const names = { id: 'nr', tenant: 't', owned: 'o', bound: 'b', text: 'x' }
    expect(await openRaw(setup.dataSource, Sample, await samples(), names)).toEqual([
      { nr: 1, t: 't', o: 'o', b: 7, x: { a: 1 } },
      { nr: 2, t: 'u', o: null, b: 8, x: [] },
    ])
  })

  it('names what is missing', async () => {
    const open = async (names: Record<string, string>) =>
      openRaw(setup.dataSource, Sample, await samples(), names)
    const unknown = { code: 'ERR_ROW_UNKNOWN' }
    await expect(open({ owned: 'o' })).rejects.toMatchObject({ ...unknown, field: 'Sample.owned' })
    await expect(open({ bound: 'b' })).rejects.toThrow(/Sample\.bound.*Sample\.id/)
    await expect(open({ bound: 'b', id: 'id' })).rejects.toThrow(/Sample\.id: no row has a column/)
    await expect(open({ bund: 'b' })).rejects.toMatchObject({
      code: 'ERR_FIELD_INVALID',
      field: 'Sample.bund',
    })
    const swapped = (await samples()).map((row: object) => ({ ...row, nr: 3 }))
    await expect(
      openRaw(setup.dataSource, Sample, swapped, { id: 'nr', bound: 'b' }),
    ).rejects.toMatchObject({ code: 'ERR_DECRYPTION_FAILED', field: 'Sample.bound' })
  })
})

describe('openRawStream', () => {
  it('opens a stream of rows in slices', async () => {
    expect(calls).toBeGreaterThan(0)
    const rows = await query('SELECT id, email FROM person ORDER BY id')
    let read = 0
    async function* source() {
      for (const row of rows) {
        read++
        yield row as Record<string, unknown>
      }
    }
    const names = { email: 'email' }
    const seen: unknown[] = []
    for await (const row of openRawStream(setup.dataSource, Person, source(), names)) {
      if (seen.length === 0) expect(read).toBe(256)
      seen.push(row.email)
    }
    expect(seen).toHaveLength(600)
    expect(seen[599]).toBe('p599@x.org')
  })
})
