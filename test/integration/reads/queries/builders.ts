import { Brackets, type ObjectLiteral } from 'typeorm'
import type { Queries, Reader } from '../reader'

const pets = ({ dataSource, e }: Reader) => dataSource.createQueryBuilder(e.Pet, 't')

const joins: Queries = {
  'leftJoinAndMapOne of a relation, refined': ({ q }) =>
    q().leftJoinAndMapOne('p.chief', 'p.boss', 'b').where('b.income < 5').orderBy('p.id').getMany(),
  'leftJoinAndMapOne, ordered by it, on a page': ({ q }) =>
    q()
      .leftJoinAndMapOne('p.chief', 'p.boss', 'b')
      .orderBy('b.income', 'DESC')
      .addOrderBy('p.id')
      .take(3)
      .getMany(),
  'leftJoinAndMapOne with an exact condition': ({ q }) =>
    q()
      .leftJoinAndMapOne('p.first', 'p.pets', 't', 't.name = :n', { n: 'pet1' })
      .orderBy('p.id')
      .addOrderBy('t.id')
      .getMany(),
  'leftJoinAndMapMany of an entity by an encrypted property': ({ q, e }) =>
    q()
      .leftJoinAndMapMany(
        'p.kin',
        e.Person,
        'k',
        'k.address.street = p.address.street AND k.id <> p.id',
      )
      .orderBy('p.id')
      .addOrderBy('k.id')
      .getMany(),
  'innerJoinAndMapMany with a range': ({ q }) =>
    q()
      .innerJoinAndMapMany('p.heavy', 'p.pets', 't', 't.weight > 4')
      .orderBy('p.id')
      .addOrderBy('t.id')
      .getMany(),
  'a join of an entity without a relation': ({ q, e }) =>
    q().innerJoin(e.Tag, 't', "t.id = p.id AND t.label = 'tag2'").getMany(),
  'a join of a subquery': ({ q, e }) =>
    q()
      .innerJoin(
        (sub) => sub.select('t.ownerId', 'o').from(e.Pet, 't').where("t.name = 'pet1'"),
        's',
        's.o = p.id',
      )
      .where('p.income > 1')
      .orderBy('p.id')
      .getMany(),
  'a subquery in FROM': ({ dataSource, e }) =>
    dataSource
      .createQueryBuilder()
      .select('s.id', 'id')
      .from(
        (sub) =>
          sub.select('p.id', 'id').from(e.Person, 'p').where('p.email = :x', { x: 'p3@x.org' }),
        's',
      )
      .getRawMany(),
  'a subquery in SELECT': ({ q, e }) =>
    q()
      .select('p.id', 'id')
      .addSelect(
        (sub) => sub.select('COUNT(t.name)', 'n').from(e.Pet, 't').where('t."ownerId" = p.id'),
        'n',
      )
      .orderBy('p.id')
      .getRawMany(),
  'a subquery in WHERE, refined and paged': ({ q, e }) =>
    q()
      .where((outer) => {
        const sub = outer.subQuery().select('1').from(e.Pet, 't')
        return `EXISTS ${sub.where('t.ownerId = p.id AND t.name = :n', { n: 'pet1' }).getQuery()}`
      })
      .andWhere('p.income > 2')
      .orderBy('p.income')
      .take(2)
      .getMany(),
  whereExists: (reader) =>
    reader
      .q()
      .whereExists(pets(reader).where('t.ownerId = p.id').andWhere("t.name = 'pet1'"))
      .orderBy('p.id')
      .getMany(),
  'brackets with a range and a prefix': ({ q }) =>
    q()
      .where(
        new Brackets((b) => b.where('p.income > 4').andWhere('p.surname LIKE :s', { s: 'A%' })),
      )
      .orderBy('p.id')
      .getMany(),
}

const results: Queries = {
  'getOne of many joined rows': ({ q }) =>
    q()
      .leftJoinAndSelect('p.pets', 't')
      .where('p.income > 3')
      .orderBy('p.income')
      .addOrderBy('t.id')
      .getOne(),
  'getOneOrFail, getExists': async ({ q }) => [
    await q().where("p.email = 'p1@x.org'").getOneOrFail(),
    await q().where('p.income > 4').getExists(),
    await q().where('p.income > 400').getExists(),
  ],
  'the rows of getRawAndEntities': async ({ q }) => {
    const { raw, entities } = await q()
      .leftJoinAndSelect('p.pets', 't')
      .where('p.income > 2')
      .orderBy('p.income')
      .take(2)
      .getRawAndEntities<ObjectLiteral>()
    return [raw.map((row) => [row.p_id, row.t_id].join()).sort(), entities]
  },
  'raw plain columns beside exact conditions': ({ q }) =>
    q()
      .select('p.ward', 'w')
      .addSelect('COUNT(p.email)', 'n')
      .where("p.email <> 'p1@x.org'")
      .groupBy('p.ward')
      .orderBy('p.ward')
      .getRawMany(),
  'a stream of plain columns': async ({ q }) => {
    const rows: unknown[] = []
    const stream = await q().select('p.id', 'id').where("p.email = 'p1@x.org'").stream()
    for await (const row of stream) rows.push(row)
    return rows
  },
  'whereInIds, with one key and with two': async ({ q, m, e }) => [
    await q().whereInIds([3, 1]).orderBy('p.income').getMany(),
    await m
      .createQueryBuilder(e.Membership, 'x')
      .whereInIds([
        { personId: 1, clubId: 2 },
        { personId: 2, clubId: 1 },
      ])
      .orderBy('x.fee')
      .addOrderBy('x.personId')
      .getMany(),
  ],
  'setFindOptions with a page': ({ q }) =>
    q()
      .setFindOptions({ relations: { boss: true }, order: { income: 'DESC' }, take: 2 })
      .getManyAndCount(),
}

/** A builder may run more than once, and while it runs. */
const reuse: Queries = {
  'one builder, one answer after the other': async ({ q }) => {
    const one = q()
      .leftJoinAndSelect('p.boss', 'b')
      .where('b.income > 4')
      .orderBy('p.income', 'DESC')
    return [
      await one.getCount(),
      await one.getExists(),
      await one.getMany(),
      await one.getManyAndCount(),
      await one.clone().andWhere("p.ward = 'A'").getMany(),
      await one.take(1).getMany(),
    ]
  },
  'one builder, several answers at once': ({ q }) => {
    const one = q()
      .leftJoinAndSelect('p.boss', 'b')
      .where('p.income > 4')
      .orderBy('p.income')
      .take(2)
    const answers = [one.getMany(), one.getCount(), one.getManyAndCount(), one.getExists()]
    return Promise.all([...answers, one.clone().andWhere("p.ward = 'A'").getMany()])
  },
  'the same without a page': ({ q }) => {
    const one = q().where('p.income > 4').orderBy('p.income')
    return Promise.all([one.getMany(), one.getMany(), one.getCount()])
  },
  'the same with exact conditions': ({ q }) => {
    const one = q().where("p.email <> 'p1@x.org'").orderBy('p.id')
    return Promise.all([one.getMany(), one.getCount(), one.getMany(), one.getExists()])
  },
  'a builder that is changed while it runs': async ({ q }) => {
    const one = q().where('p.income > 4').orderBy('p.income').take(2)
    const first = one.getMany()
    one.skip(1)
    return [await one.getMany(), (await first).length]
  },
}

export const builders: Queries = { ...joins, ...results, ...reuse }
