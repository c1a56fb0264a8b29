import { MoreThan, Not } from 'typeorm'
import type { Queries } from '../reader'

export const selections: Queries = {
  'some properties': ({ people }) =>
    people.find({ select: { id: true, email: true, surname: true }, order: { id: 1 } }),
  'one encrypted property alone': ({ people }) =>
    people.find({ select: { email: true }, order: { id: 1 } }),
  'a property with select: false': ({ people }) =>
    people.find({ select: { id: true, hidden: true }, order: { id: 1 } }),
  'conditions on what is not selected': ({ people }) =>
    people.find({
      ...{ select: { id: true, pets: { name: true } }, relations: { pets: true } },
      ...{ where: { hidden: Not('h1'), income: MoreThan(4) }, order: { id: 1, pets: { id: 1 } } },
    }),
  'parts of embedded entities': ({ people }) =>
    people.find({
      select: { id: true, address: { street: true, geo: { lat: true } } },
      order: { id: 1 },
    }),
  'whole embedded entities and relations': ({ people }) =>
    people.find({
      ...{ select: { id: true, address: true, boss: true }, relations: { boss: true } },
      order: { id: 1 },
    }),
  'a virtual column beside a range': ({ people }) =>
    people.find({
      ...{ select: { id: true, next: true, income: true }, where: { income: MoreThan(4) } },
      order: { id: 1 },
    }),
  'a property of one child class': ({ m, e }) =>
    m.find(e.Dog, { select: { id: true, bark: true }, order: { id: 1 } }),
  'builder: embedded parts': ({ q }) =>
    q().select(['p.id', 'p.work.street', 'p.address.geo.lat']).orderBy('p.id').getMany(),
  'builder: addSelect of a property with select: false': ({ q }) =>
    q().addSelect('p.hidden').where('p.income > 4').orderBy('p.income').skip(1).take(3).getMany(),
  'builder: the same of a join': ({ m, e }) =>
    m
      .createQueryBuilder(e.Pet, 't')
      .leftJoinAndSelect('t.owner', 'o')
      .addSelect('o.hidden')
      .orderBy('t.id')
      .getMany(),
  'builder: parts of a join': ({ q }) =>
    q()
      .select(['p.id'])
      .leftJoin('p.pets', 't')
      .addSelect(['t.name'])
      .orderBy('p.id')
      .addOrderBy('t.id')
      .getMany(),
  'builder: a property under a name of its own': ({ q }) =>
    q().addSelect('p.email', 'mail').orderBy('p.id').getMany(),
  'builder: that name alone': ({ q }) =>
    q().select('p.email', 'mail').addSelect('p.id', 'p_id').orderBy('p.id').getMany(),
  'builder: a joined alias': ({ q }) =>
    q().leftJoin('p.boss', 'b').select(['p', 'b.surname']).addSelect('b').orderBy('p.id').getMany(),
  'builder: order by what is not selected': ({ q }) =>
    q().select(['p.id']).orderBy('p.surname', 'ASC').addOrderBy('p.id').getMany(),
  'builder: distinct': ({ q }) =>
    q().select(['p.id', 'p.email', 'p.ward']).distinct().orderBy('p.id').getMany(),
  'builder: distinctOn of a plain property': ({ q }) =>
    q()
      .select(['p.id', 'p.email'])
      .distinctOn(['p.ward'])
      .orderBy('p.ward')
      .addOrderBy('p.id')
      .getMany(),
  'builder: two entities in FROM': ({ dataSource, e }) =>
    dataSource
      .createQueryBuilder()
      .select(['p.id', 'p.email'])
      .from(e.Person, 'p')
      .addFrom(e.Tag, 't')
      .where("t.id = p.id AND t.label <> 'tag2'")
      .orderBy('p.id')
      .getMany(),
}
