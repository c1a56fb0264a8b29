import { MoreThan } from 'typeorm'
import type { Queries } from '../reader'

/** The second answer of each comes from the cache, or from the database where that is not safe. */
async function twice<R>(ask: () => Promise<R>): Promise<[R, R]> {
  return [await ask(), await ask()]
}

export const cached: Queries = {
  'cache: true': ({ people }) =>
    twice(() => people.find({ where: { email: 'p1@x.org' }, cache: true })),
  'cache with an id and a duration, and joins': ({ people }) =>
    twice(() =>
      people.find({
        ...{ where: { ward: 'A' }, relations: { pets: true }, order: { id: 1, pets: { id: 1 } } },
        cache: { id: 'of pets', milliseconds: 60_000 },
      }),
    ),
  'cache of a range, and of a page of it': async ({ people }) => {
    const asked = { where: { income: MoreThan(4) }, order: { income: 1 as const }, cache: true }
    return [
      await twice(() => people.find(asked)),
      await twice(() => people.find({ ...asked, take: 2 })),
    ]
  },
  'cache of counts': async ({ people }) => {
    const count = (where: object) => people.count({ where, cache: true })
    return [
      await count({ email: 'p1@x.org' }),
      await count({ email: 'nobody' }),
      await count({ income: 3 }),
      await count({ income: 333 }),
      await twice(() => people.findAndCount({ where: { email: 'p1@x.org' }, cache: true })),
    ]
  },
  'cache of a page with joins': ({ people }) =>
    twice(() => people.find({ relations: { boss: true }, order: { id: 1 }, take: 2, cache: true })),
  'cache of a builder': ({ q }) =>
    twice(() => q().addSelect('p.hidden').orderBy('p.id').cache('with hidden', 60_000).getMany()),
  'cache of raw rows and of exists': async ({ q, people }) => [
    await twice(() =>
      q().select('p.ward', 'w').where("p.email = 'p1@x.org'").cache(true).getRawMany(),
    ),
    await twice(() => people.exists({ where: { email: 'p1@x.org' }, cache: true })),
  ],
}
