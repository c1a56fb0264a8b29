import {
  Brackets,
  Column,
  DeleteDateColumn,
  Entity,
  ILike,
  In,
  Like,
  MoreThan,
  NotBrackets,
  PrimaryColumn,
  Raw,
} from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Encrypted } from '../../src/typeorm'
import { createDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

@Entity()
class Memo {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', exact: true }) text!: string
  @DeleteDateColumn() deleted!: Date | null
}

@Entity()
class Plain {
  @PrimaryColumn('int') id!: number
  @Column('text') text!: string
}

let setup: Setup
let database: Awaited<ReturnType<typeof createDatabase>>

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet, Memo, Plain], {}, { maxRefine: 5 })
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
  'a function of it in text': () => builder().where('lower(p.email) = :e', { e: 'x' }).getMany(),
  'a computed side in text': () => builder().where(`p.email = :e || 'x'`, { e: 'x' }).getMany(),
  'a cast in text': () => builder().where('p.email = :e::text', { e: 'x' }).getMany(),
  'a comparison with another kind of column': () => builder().where('p.email = p.ward').getMany(),
  'columns without a common group': () =>
    builder().innerJoin('p.pets', 'pet').where('pet.name = p.email').getMany(),
  'a range without a range index in text': () =>
    builder().where('p.email > :e', { e: 'x' }).getMany(),
  'a text pattern that begins with a wildcard': () =>
    builder().where('p.surname LIKE :s', { s: '%x' }).getMany(),
  'an empty list in text': () => builder().where('p.email IN (:...list)', { list: [] }).getMany(),
  'NULL in text': () => builder().where('p.email = :e', { e: null }).getMany(),
  'a literal of another type': () => builder().where(`p.income > '3'`).getMany(),
  'a parameter without a value': () => builder().where('p.email = :e').getMany(),
  'a range in raw SQL of a plain property': () =>
    people().findBy({ ward: Raw((ward) => `${ward} = 'A' AND "Person"."income" > 3`) }),
  'a function in raw SQL of a plain property': () =>
    people().findBy({ ward: Raw((ward) => `${ward} = lower("Person"."email")`) }),
  'a range in text on a delete': () => builder().delete().where('income > 3').execute(),
  'a range in text on an update': () =>
    builder().update().set({ ward: 'B' }).where('income > 3').execute(),
  'a function in brackets on a delete': () =>
    builder()
      .delete()
      .where(new Brackets((q) => q.where('upper(email) <> :e', { e: 'x' })))
      .execute(),
  'a function in brackets on a soft delete': () =>
    setup.dataSource
      .createQueryBuilder(Memo, 'm')
      .softDelete()
      .where({ id: 1 })
      .andWhere(new NotBrackets((q) => q.where('upper(text) = :e', { e: 'x' })))
      .execute(),
  'a function in brackets on an update': () =>
    builder()
      .update()
      .set({ ward: 'B' })
      .where(
        new Brackets((q) => q.where(new Brackets((r) => r.where(`lower(person.email) <> 'x'`)))),
      )
      .execute(),
  'a copy into a plain column': () =>
    builder()
      .update()
      .set({ ward: () => '"email"' } as never)
      .where('id = 1')
      .execute(),
  'a range in the condition of a left join': () =>
    builder().leftJoin('p.pets', 'pet', 'pet.weight > :n', { n: 1 }).getMany(),
  'a range in CASE': () =>
    builder()
      .select('p.id', 'id')
      .addSelect('CASE WHEN p.income > 3 THEN 1 END', 'rich')
      .getRawMany(),
  'a range in a subquery': () =>
    builder()
      .where((q) => {
        const pets = q.subQuery().select('pet.id').from(Pet, 'pet').where('pet.weight > 5')
        return `EXISTS (${pets.getQuery()})`
      })
      .getMany(),
  'ciphertext as the value of a subquery': () =>
    builder()
      .where((q) => `p.email IN ${q.subQuery().select('pet.name').from(Pet, 'pet').getQuery()}`)
      .getMany(),
  'a subquery by hand': () =>
    setup.dataSource
      .createQueryBuilder(Plain, 'n')
      .where('n.id IN (SELECT id FROM person WHERE lower(email) = :e)', { e: 'x' })
      .getMany(),
  'DISTINCT over it': () => builder().select('p.email').distinct(true).getRawMany(),
  'a UNION that compares it': () =>
    setup.dataSource
      .createQueryBuilder()
      .addCommonTableExpression('SELECT email FROM person UNION SELECT email FROM person', 'c')
      .select('count(*)', 'n')
      .from('c', 'c')
      .getRawOne(),
  'COUNT(DISTINCT …) of a truncated token': () =>
    builder().select('COUNT(DISTINCT p.surname)', 'n').getRawOne(),
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
  'a hidden column in find options': () =>
    people().findBy({ email_hmac: Buffer.alloc(17) } as never),
  'a hidden column in an object condition': () =>
    builder().where({ income_lofi: 10_000 }).getMany(),
  'a hidden column in the criteria of a delete': () =>
    people().delete({ email_hmac: Buffer.alloc(17) } as never),
  'null in an object condition': () => builder().where({ email: null }).getMany(),
}

describe('what cannot be answered', () => {
  it.each(Object.entries(refused))('%s is refused with entity.property', async (_, query) => {
    await expect((async () => query())()).rejects.toMatchObject({
      code: 'ERR_QUERY_UNSUPPORTED',
      message: expect.stringMatching(/^(Person|Pet|Memo)\.\w+: /),
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
