import { Brackets, ILike, In, Like, MoreThan, NotBrackets, Raw } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet], {}, { maxRefine: 5 })
  const people = setup.dataSource.getRepository(Person)
  const rows = Array.from({ length: 30 }, (_, id) => ({
    ...{ id, ward: 'A', email: `p${id}@x.org`, income: id },
    ...{ birthDate: null, surname: null, chart: null },
  }))
  await people.save(rows.map((row) => people.create(row)))
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const people = () => setup.dataSource.getRepository(Person)
const builder = () => people().createQueryBuilder('p')

const refused: Record<string, () => Promise<unknown>> = {
  Like: () => people().findBy({ email: Like('p%') }),
  ILike: () => people().findBy({ email: ILike('p%') }),
  Raw: () => people().findBy({ email: Raw((alias) => `${alias} IS NOT NULL`) }),
  'a range without a range index': () => people().findBy({ email: MoreThan('a') }),
  'equality without an index': () => people().findBy({ chart: { allergies: [] } }),
  'an order without a range index': () => people().find({ order: { email: 'ASC' } }),
  'a string condition': () => builder().where('p.email = :e', { e: 'p1@x.org' }).getMany(),
  'a quoted string condition': () => builder().where(`"p"."email" = 'x'`).getMany(),
  'a bare string condition': () => builder().where('email = :e', { e: 'x' }).getMany(),
  'a string condition on a delete': () =>
    builder().delete().where('email = :e', { e: 'x' }).execute(),
  'a string condition on an update': () =>
    builder().update().set({ ward: 'B' }).where('income > 3').execute(),
  'a string in brackets on a delete': () =>
    builder()
      .delete()
      .where(new Brackets((q) => q.where('email <> :e', { e: 'x' })))
      .execute(),
  'a string in brackets on a soft delete': () =>
    builder()
      .softDelete()
      .where({ id: 1 })
      .andWhere(new NotBrackets((q) => q.where('email = :e', { e: 'x' })))
      .execute(),
  'a string in brackets on an update': () =>
    builder()
      .update()
      .set({ ward: 'B' })
      .where(new Brackets((q) => q.where(new Brackets((r) => r.where(`person.email <> 'x'`)))))
      .execute(),
  'a join condition': () =>
    builder().leftJoin('p.pets', 'pet', 'pet.name = :n', { n: 'x' }).getMany(),
  'GROUP BY': () => builder().select('p.income').groupBy('p.income').getRawMany(),
  HAVING: () => builder().groupBy('p.id').having('max(p.income) > 1').getRawMany(),
  'a selected aggregate': () => builder().select('SUM(p.income)', 'sum').getRawOne(),
  sum: () => people().sum('income' as never),
  maximum: () => people().maximum('income' as never),
  'raw results of a range': () =>
    builder()
      .where({ income: MoreThan(3) })
      .getRawMany(),
  'a stream of a range': () =>
    builder()
      .where({ income: MoreThan(3) })
      .stream(),
  'an order by text': () => builder().orderBy('income').getMany(),
  'an order by a selected name': () =>
    builder().select('p.id', 'id').addSelect('p.income', 'inc').orderBy('inc').getRawMany(),
  'an order by a raw name': () => builder().orderBy('p_income').getMany(),
  'a column of a common table expression': () =>
    setup.dataSource
      .createQueryBuilder()
      .addCommonTableExpression(builder().select(['p.id', 'p.email']), 'c')
      .select('c.p_id', 'id')
      .from('c', 'c')
      .where('c.p_email = :e', { e: 'p1@x.org' })
      .getRawMany(),
  'a column of a subquery': () =>
    setup.dataSource
      .createQueryBuilder()
      .select('s.p_id', 'id')
      .from((q) => q.select('p').from(Person, 'p'), 's')
      .where('s.p_email = :e', { e: 'x' })
      .getRawMany(),
  'null in an object condition': () => builder().where({ email: null }).getMany(),
}

describe('what cannot be answered', () => {
  it.each(Object.entries(refused))('%s is refused with entity.property', async (_, query) => {
    await expect((async () => query())()).rejects.toMatchObject({
      code: 'ERR_QUERY_UNSUPPORTED',
      message: expect.stringMatching(/^(Person|Pet)\.\w+: /),
    })
  })

  it('leaves operators as the caller gave them', async () => {
    const two = In(['P1@x.org', 'p2@x.org'])
    for (let i = 0; i < 2; i++) expect(await people().countBy({ email: two })).toBe(2)
    expect(two.value).toEqual(['P1@x.org', 'p2@x.org'])
  })
})

describe('a bucket that holds too many rows', () => {
  it('is an error that names the property, and never a part of the answer', async () => {
    const limit = { code: 'ERR_REFINE_LIMIT', message: expect.stringMatching(/^Person\.income: /) }
    const where = { income: MoreThan(3) }
    await expect(people().find({ order: { income: 'ASC' }, take: 3 })).rejects.toMatchObject(limit)
    await expect(people().count({ where })).rejects.toMatchObject(limit)
  })
})

describe('raw results', () => {
  it('stay ciphertext', async () => {
    const [row] = await people().createQueryBuilder('p').where('p.id = 1').getRawMany()
    expect(row.p_email[0]).toBe(0xe1)
    const [selected] = await setup.dataSource.query('SELECT * FROM person WHERE id = 1')
    expect(selected.email[0]).toBe(0xe1)
  })
})
