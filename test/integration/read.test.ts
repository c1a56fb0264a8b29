import { Brackets, MoreThan } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet], { cache: true })
  const people = setup.dataSource.getRepository(Person)
  for (let id = 1; id <= 6; id++) {
    const pets = [1, 2].map((n) => ({ id: id * 10 + n, name: `pet${n}`, weight: id + n }))
    await people.save(
      people.create({
        ...{ id, ward: 'A', email: `p${id}@x.org`, income: id * 9_000 },
        ...{ birthDate: '1990-01-02', surname: null, chart: { allergies: [] }, pets },
      }),
    )
  }
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const people = () => setup.dataSource.getRepository(Person)

describe.each(['join', 'query'] as const)('relations by %s', (relationLoadStrategy) => {
  it('are opened, filtered, ordered and paged', async () => {
    const found = await people().find({
      relationLoadStrategy,
      relations: { pets: true },
      where: { income: MoreThan(15_000) },
      order: { income: 'DESC', pets: { id: 'ASC' } },
      skip: 1,
      take: 2,
    })
    expect(found.map(({ id }) => id)).toEqual([5, 4])
    expect(found[0]?.pets.map(({ name }) => name)).toEqual(['pet1', 'pet2'])
    expect(found[0]?.pets.map(({ weight }) => weight)).toEqual([6, 7])
  })
})

describe('query builders', () => {
  it('open entities and leave raw results sealed', async () => {
    const { entities, raw } = await people()
      .createQueryBuilder('p')
      .where({ email: 'p3@x.org' })
      .getRawAndEntities()
    expect(entities[0]?.email).toBe('p3@x.org')
    expect((raw[0] as { p_email: Buffer }).p_email[0]).toBe(0xe1)
    expect(Object.keys(raw[0] as object).filter((name) => name.startsWith('mortise'))).toEqual([])
    const [row] = await people().createQueryBuilder('p').where({ id: 3 }).getRawMany()
    expect(row.p_email[0]).toBe(0xe1)
  })

  it('combine object conditions in brackets with plain ones', async () => {
    const found = await people()
      .createQueryBuilder('p')
      .where(new Brackets((q) => q.where({ income: MoreThan(40_000) }).orWhere('p.id = 1')))
      .andWhere('p.ward = :ward', { ward: 'A' })
      .orderBy('p.income', 'DESC')
      .getMany()
    expect(found.map(({ id }) => id)).toEqual([6, 5, 1])
  })

  it('open what the query cache kept', async () => {
    const cached = () => people().find({ where: { id: 2 }, cache: 60_000 })
    await cached()
    expect((await cached())[0]?.email).toBe('p2@x.org')
    const [row] = await setup.dataSource.query('SELECT result FROM "query-result-cache" LIMIT 1')
    expect(row.result).not.toContain('p2@x.org')
  })

  it('load a relation of one entity', async () => {
    const pets = await people().createQueryBuilder().relation('pets').of(4).loadMany<Pet>()
    expect(pets.map(({ name }) => name).sort()).toEqual(['pet1', 'pet2'])
  })

  it('select some of the columns', async () => {
    const found = await people().find({
      select: { id: true, ward: true },
      where: { income: MoreThan(40_000) },
      order: { income: 'ASC' },
    })
    expect(found.map((person) => ({ ...person }))).toEqual([
      { id: 5, ward: 'A' },
      { id: 6, ward: 'A' },
    ])
  })
})
