import { Between, In, IsNull, LessThan, MoreThan, Not } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet])
  const people = Array.from({ length: 200 }, (_, id) =>
    Object.assign(new Person(), {
      id,
      ward: id % 3 ? 'A' : 'B',
      email: `User${id}@Example.com`,
      income: id % 17 === 0 ? null : ((id * 7919) % 60_000) + 0.5,
      birthDate: id % 13 === 0 ? null : `19${String(50 + (id % 40))}-0${1 + (id % 9)}-1${id % 10}`,
      surname: ['Abel', 'Abraham', 'Baker', 'Bauer', 'Çelik', null][id % 6],
      chart: { allergies: [`a${id}`] },
    }),
  )
  await setup.dataSource.getRepository(Person).save(people)
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const people = () => setup.dataSource.getRepository(Person)

describe('find', () => {
  it('gives back what was saved', async () => {
    const person = await people().findOneByOrFail({ id: 5 })
    expect(person.email).toBe('User5@Example.com')
    expect(person.chart).toEqual({ allergies: ['a5'] })
    expect(Object.keys(person)).not.toContain('email_hmac')
  })

  it('finds by equality of normalised values', async () => {
    const found = await people().findBy({ email: ' user7@EXAMPLE.com' })
    expect(found.map(({ id }) => id)).toEqual([7])
  })

  it('refines a range, with and without a page', async () => {
    const all = await people().find({ where: { income: Between(12_345, 34_567) } })
    const expected = (await people().find())
      .filter(({ income }) => income !== null && income >= 12_345 && income <= 34_567)
      .sort((a, b) => (a.income as number) - (b.income as number) || a.id - b.id)
    expect(all.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort())
    const page = await people().find({
      where: { income: Between(12_345, 34_567) },
      order: { income: 'ASC', id: 'ASC' },
      skip: 10,
      take: 15,
    })
    expect(page.map(({ id }) => id)).toEqual(expected.slice(10, 25).map(({ id }) => id))
    const [rows, count] = await people().findAndCount({
      where: { income: Between(12_345, 34_567) },
      take: 3,
    })
    expect([rows.length, count]).toEqual([3, expected.length])
  })

  it('counts and answers exists', async () => {
    const everyone = await people().find()
    const over = everyone.filter(({ income }) => (income ?? 0) > 33_333).length
    expect(await people().countBy({ income: MoreThan(33_333) })).toBe(over)
    expect(await people().existsBy({ income: MoreThan(1e9) })).toBe(false)
    expect(await people().existsBy({ surname: 'Abel' })).toBe(true)
    expect(await people().countBy({ surname: Not('Abel') })).toBe(
      everyone.filter(({ surname }) => surname !== null && surname !== 'Abel').length,
    )
  })

  it('counts beside a page that selects encrypted properties', async () => {
    const page = { select: { id: true, email: true }, take: 2 } as const
    const [rows, count] = await people().findAndCount({ ...page, where: { ward: 'B' } })
    expect([rows.length, count]).toEqual([2, 67])
    const relation = { select: { id: true, pets: { name: true } }, relations: { pets: true } }
    expect((await people().findAndCount({ ...relation, take: 2 }))[1]).toBe(200)
  })

  it('answers an OR of plain, exact and lossy branches', async () => {
    const found = await people().find({
      where: [
        { ward: 'B', income: LessThan(9_999) },
        { email: 'user1@example.com' },
        { surname: In(['Baker']), birthDate: IsNull() },
      ],
      order: { id: 'ASC' },
    })
    const expected = (await people().find({ order: { id: 'ASC' } })).filter(
      (p) =>
        (p.ward === 'B' && p.income !== null && p.income < 9_999) ||
        p.id === 1 ||
        (p.surname === 'Baker' && p.birthDate === null),
    )
    expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
  })

  it('issues no UPDATE for an unchanged entity', async () => {
    const person = await people().findOneByOrFail({ id: 9 })
    setup.log.length = 0
    await people().save(person)
    expect(setup.log.filter((line) => /UPDATE/.test(line))).toEqual([])
  })
})
