import { Between, LessThan, MoreThan, Not } from 'typeorm'
import { byId, byStrategy, type Queries } from '../reader'

const CLUB = 'theClubThatThisPersonWouldLikeBestOfAllTheClubsInTown'

/** TypeORM 0.3 cannot load a relation to the entity itself by a query of its own: compared by join. */
const ofOthers = byStrategy((relationLoadStrategy) => ({
  'a page under a condition on a to-many relation': ({ people }) =>
    people.find({
      ...{ relationLoadStrategy, relations: { pets: true }, order: { income: 'DESC' } },
      ...{ where: { pets: { weight: MoreThan(3) } }, take: 2, skip: 1 },
    }),
  'a part of each entity, without its key': ({ people }) =>
    people.find({
      ...{ relationLoadStrategy, relations: { pets: true }, order: { id: 1, pets: { id: 1 } } },
      select: { email: true, pets: { weight: true } },
    }),
  'many to many': ({ people }) =>
    people.find({
      relationLoadStrategy,
      relations: { tags: true },
      order: { id: 1, tags: { id: 1 } },
    }),
  'a join table with columns and a key of two': ({ m, e }) =>
    m.find(e.Membership, {
      ...{
        relationLoadStrategy,
        where: { fee: Between(5, 20), role: Not('role1') },
        take: 4,
        skip: 1,
      },
      ...{
        relations: { person: true, club: true },
        order: { fee: 'DESC', clubId: 1, personId: 1 },
      },
    }),
  'an eager relation of a relation': ({ m, e }) =>
    m.find(e.Pet, { relationLoadStrategy, relations: { owner: true }, order: { id: 1 } }),
  'loadEagerRelations: false': ({ people }) =>
    people.find({ relationLoadStrategy, loadEagerRelations: false, order: { id: 1 } }),
  'loadRelationIds beside a range': ({ people }) =>
    people.find({
      ...{ relationLoadStrategy, loadRelationIds: true, order: { id: 1 } },
      where: { income: MoreThan(5) },
    }),
  'loadRelationIds of some, on a page': ({ people }) =>
    people.find({
      ...{ relationLoadStrategy, loadRelationIds: { relations: ['boss', 'tags'] } },
      ...{ order: { income: 'DESC', id: 1 }, take: 3 },
    }),
  'loadRelationIds with disableMixedMap': ({ people }) =>
    people.find({
      ...{ relationLoadStrategy, order: { id: 1 } },
      loadRelationIds: { relations: ['boss', 'tags'], disableMixedMap: true },
    }),
  'a lazy relation that is loaded along': async ({ people }) => {
    const [one] = await people.find({
      ...{ relationLoadStrategy, where: { id: 1 }, relations: { memos: true } },
    })
    return byId(await one?.memos)
  },
  'an inheritance tree': ({ people }) =>
    people.find({
      ...{ relationLoadStrategy, relations: { animals: true } },
      ...{ where: { animals: { name: Not('x') } }, order: { id: 1, animals: { id: 1 } } },
    }),
}))

export const relations: Queries = {
  ...ofOthers,
  'relations of relations': ({ people }) =>
    people.find({
      ...{ relations: { boss: { boss: { pets: true } }, reports: true } },
      order: { id: 1, reports: { id: 1 }, boss: { boss: { pets: { id: 1 } } } },
    }),
  'a path so long that TypeORM shortens its names': ({ people }) =>
    people.find({
      relations: { boss: { [CLUB]: { memberships: { club: true } } } },
      order: { id: 1, boss: { [CLUB]: { memberships: { personId: 1 } } } },
    }),
  'a condition at the end of such a path': ({ people }) =>
    people.find({
      where: { boss: { [CLUB]: { memberships: { fee: MoreThan(8), role: 'role1' } } } },
      ...{ relations: { boss: { [CLUB]: true } }, order: { id: 1 } },
    }),
  'order by the relation of a relation, on a page': ({ people }) =>
    people.find({
      ...{ relations: { boss: { boss: true } }, take: 2, skip: 1 },
      ...{ where: { boss: { boss: { income: MoreThan(1) } } } },
      order: { boss: { boss: { income: 'DESC' } }, id: 1 },
    }),
  'parts of relations of relations': ({ m, e }) =>
    m.find(e.Pet, {
      ...{ relations: { owner: { boss: true } }, order: { id: 1 } },
      select: { id: true, owner: { email: true, boss: { income: true } } },
    }),
  'relations of a page that was refined by one of them': ({ m, e }) =>
    m.find(e.Pet, {
      ...{ relations: { owner: { boss: { pets: true } } }, take: 3, skip: 1 },
      where: { owner: { boss: { income: LessThan(7) } }, weight: MoreThan(1) },
      order: { weight: 'DESC' },
    }),
  'the entity itself, both ways': ({ people }) =>
    people.find({
      ...{ relations: { boss: true, reports: true }, where: { boss: { income: MoreThan(3) } } },
      order: { boss: { income: 'DESC' }, id: 1, reports: { id: 1 } },
    }),
  'many to many from the other side': ({ m, e }) =>
    m.find(e.Tag, {
      ...{ relations: { people: true }, where: { people: { income: MoreThan(6) } } },
      order: { id: 1, people: { id: 1 } },
    }),
  'a relation that is missing matches no condition': ({ people }) =>
    people.find({ where: { boss: { income: Not(3) } }, order: { id: 1 } }),
  'lazy relations on first use': async ({ people, m, e }) => {
    const one = await people.findOneByOrFail({ id: 2 })
    const memos = await m.find(e.Memo, { order: { id: 1 } })
    const persons = await Promise.all(memos.map(({ person }) => person))
    return [byId(await one.memos), persons.map(({ email }) => email)]
  },
  'loadMany() and loadOne() of relations': async ({ dataSource, e }) => {
    const relation = (of: new () => object, path: string) =>
      dataSource.createQueryBuilder().relation(of, path)
    return [
      byId(await relation(e.Person, 'pets').of([1, 2]).loadMany()),
      byId(await relation(e.Person, 'tags').of(3).loadMany()),
      byId(await relation(e.Ranked, 'lower').of(1).loadMany()),
      await relation(e.Pet, 'owner').of(1).loadOne(),
      await relation(e.Person, 'card').of(1).loadOne(),
    ]
  },
}
