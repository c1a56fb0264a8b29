import { Any, Between, Equal, In, IsNull, LessThan, Like, MoreThan, Not, Or } from 'typeorm'
import type { Queries } from '../reader'

const conditions: Queries = {
  'alternatives, some of them ranges': ({ people }) =>
    people.find({
      where: [{ email: 'p1@x.org' }, { income: MoreThan(14), ward: 'B' }, { surname: 'Adams' }],
      order: { id: 1 },
    }),
  'an alternative without conditions': ({ people }) =>
    people.find({ where: [{}, { email: 'p1@x.org' }], order: { id: 1 } }),
  operators: async ({ people }) => {
    const find = (where: object) => people.find({ where, order: { id: 1 } })
    return [
      await find({ income: Or(LessThan(5), MoreThan(20)) }),
      await find({ email: Any(['p1@x.org', 'p4@x.org']) }),
      await find({ email: Equal('p1@x.org') }),
      await find({ email: In([]) }),
      await find({ surname: Like('Ab%') }),
      await find({ income: Not(IsNull()), surname: IsNull() }),
    ]
  },
  'embedded properties, nested and with a prefix': async ({ people }) => [
    await people.find({
      where: { address: { geo: { lat: Between(1, 2.6) } } },
      order: { address: { geo: { lat: 'DESC' } } },
    }),
    await people.find({
      where: { work: { street: In(['Work 1', 'Work 2']) }, address: { street: Not('Street 0') } },
      order: { id: 1 },
    }),
    await people.findBy({ work: { street: IsNull() } }),
  ],
  'a relation by its key beside a range': ({ people }) =>
    people.find({ where: { boss: { id: 1 }, income: MoreThan(6) } }),
  'an eager relation': ({ people }) => people.findBy({ card: { number: 'c2' } }),
}

const counts: Queries = {
  exists: async ({ people, m, e, q }) => [
    await people.exists({ where: { income: MoreThan(100) } }),
    await people.existsBy({ income: 9 }),
    await people.exists({ where: { income: MoreThan(3) }, skip: 1 }),
    await people.exists({ where: { income: MoreThan(3) }, skip: 1000 }),
    await people.exists({ where: { income: MoreThan(3) }, order: { income: 'ASC' }, skip: 1000 }),
    await people.exists({ where: { income: MoreThan(3) }, skip: 1000, take: 5 }),
    await q().where('p.income > 3').take(0).getExists(),
    await q().where('p.income > 3').offset(1).limit(1).getExists(),
    await q().where('p.income > 3').offset(1000).getExists(),
    await q().leftJoin('p.pets', 'pet').where('p.income > 3').skip(1000).getExists(),
    await people.existsBy({ pets: { weight: 9 } }),
    await people.exists({ where: { pets: { name: 'pet1' } }, relations: { pets: true } }),
    await m.existsBy(e.Ranked, { label: 'l1' }),
  ],
  count: async ({ people, m, e }) => [
    await people.count({ where: { income: MoreThan(3) }, take: 2, skip: 1 }),
    await people.countBy({ pets: { name: 'pet1' } }),
    await people.count({ relations: { pets: true } }),
    await people.count({ withDeleted: true, where: { income: MoreThan(20) } }),
    await people.count({ select: { id: true, email: true } }),
    await m.countBy(e.Membership, { person: { income: LessThan(15) }, fee: MoreThan(3) }),
    await m.countBy(e.Cat, { claws: MoreThan(5) }),
  ],
  'aggregates of plain properties': async ({ people }) => [
    await people.sum('version', { email: 'p1@x.org' }),
    await people.average('id', { surname: IsNull() }),
    await people.minimum('id', { email: Not('p1@x.org') }),
    await people.maximum('id'),
  ],
}

const pages: Queries = {
  'a key of two columns': ({ m, e }) =>
    m.find(e.Membership, {
      ...{ where: { fee: MoreThan(6) }, order: { fee: 'ASC', personId: 1 }, skip: 2, take: 3 },
    }),
  'findAndCount, also behind the end': async ({ people }) => {
    const asked = { where: { income: MoreThan(4) }, order: { income: 'DESC' as const }, take: 2 }
    return [await people.findAndCount(asked), await people.findAndCount({ ...asked, skip: 100 })]
  },
  'findOne by order alone': ({ people }) =>
    people.findOne({ where: {}, order: { income: 'DESC' } }),
  'findOne with a to-many relation': ({ people }) =>
    people.findOne({
      ...{ where: { income: MoreThan(8) }, relations: { tags: true } },
      order: { income: 'ASC' },
    }),
  'take: 0, with joins and without': async ({ people, m, e }) => {
    const asked = { where: { income: MoreThan(4) }, order: { income: 1 as const }, take: 0 }
    const fees = { where: { fee: MoreThan(4) }, order: { fee: 1 as const }, take: 0 }
    return [await people.findAndCount(asked), await m.findAndCount(e.Membership, fees)]
  },
  'limit and offset before take and skip': async ({ m, e }) => {
    const fees = () =>
      m
        .createQueryBuilder(e.Membership, 'x')
        .where('x.fee > 4')
        .orderBy('x.fee')
        .addOrderBy('x.clubId')
    return [
      await fees().limit(2).skip(1).getMany(),
      await fees().offset(1).take(1).getMany(),
      await fees().offset(0).skip(2).take(1).getMany(),
      await fees().limit(0).getMany(),
      await fees().offset(1).limit(2).getManyAndCount(),
    ]
  },
  'skip without take': ({ people }) =>
    people.find({ where: { income: MoreThan(4) }, order: { income: 1 }, skip: 2 }),
  'the order of the entity': async ({ m, e }) => [
    await m.find(e.Ranked),
    await m.find(e.Ranked, { take: 2, skip: 1, where: { rank: MoreThan(3) } }),
    await m.findAndCount(e.Ranked, { take: 1 }),
    await m.createQueryBuilder(e.Ranked, 'r').where("r.label = 'l0'").getMany(),
    await m.createQueryBuilder(e.Ranked, 'r').orderBy('r.id').getMany(),
  ],
}

export const finders: Queries = {
  ...{ ...conditions, ...counts, ...pages },
  withDeleted: ({ people }) =>
    people.find({
      ...{
        withDeleted: true,
        where: { income: MoreThan(3) },
        relations: { boss: true, reports: true },
      },
      order: { id: 1, reports: { id: 1 } },
    }),
  'locks, on a page and with options': ({ dataSource, e }) =>
    dataSource.transaction(async (m) => {
      const asked = { where: { weight: MoreThan(4) }, order: { weight: 1 as const }, take: 2 }
      const mode = 'pessimistic_write' as const
      return [
        await m.find(e.Pet, { ...asked, lock: { mode } }),
        await m.find(e.Pet, { ...asked, lock: { mode, onLocked: 'skip_locked' } }),
        await m.find(e.Pet, { ...asked, lock: { mode: 'for_key_share' } }),
        await m
          .createQueryBuilder(e.Pet, 't')
          .leftJoinAndSelect('t.owner', 'o')
          .setLock(mode, undefined, ['t'])
          .where('t.weight > 4')
          .orderBy('t.weight')
          .take(2)
          .getMany(),
      ]
    }),
  'an optimistic lock': ({ people }) =>
    people.findOne({ where: { income: 3 }, lock: { mode: 'optimistic', version: 1 } }),
  'comment, transaction: true': ({ people }) =>
    people.find({
      ...{ comment: 'of a test', transaction: true, where: { income: MoreThan(4) } },
      ...{ order: { income: 1 }, take: 2 },
    }),
  'a query runner in a transaction': async ({ dataSource, e }) => {
    const runner = dataSource.createQueryRunner()
    try {
      await runner.startTransaction()
      return [
        await runner.manager.find(e.Person, {
          where: { income: MoreThan(4) },
          order: { income: 1 },
        }),
        await dataSource.createQueryBuilder(e.Person, 'p', runner).where('p.income > 4').getCount(),
      ]
    } finally {
      await runner.rollbackTransaction()
      await runner.release()
    }
  },
  'preload, merge, create': async ({ people }) => {
    const one = await people.findOneByOrFail({ id: 1 })
    return [
      await people.preload({ id: 2, ward: 'Z' }),
      people.create(one),
      people.merge(one, { email: 'new@x.org' }),
    ]
  },
}
