import { expect } from 'vitest'
import { Member } from '../entities'
import { refused, type Section, supported } from '../matrix'

const idsOf = (rows: readonly { id: number }[]) => rows.map(({ id }) => id)

export const ordering: Section = {
  title: 'Order and paging',
  rows: [
    supported('order by a property with a range index', async ({ patients }) => {
      expect(idsOf(await patients.find({ order: { income: 'DESC' } }))).toEqual([3, 2, 1])
      expect(idsOf(await patients.find({ order: { surname: 'ASC' } }))).toEqual([1, 2, 3])
    }),
    supported('NULLS FIRST, NULLS LAST, several keys', async ({ patients }) => {
      await patients.update(2, { income: null })
      const order = { income: { direction: 'ASC', nulls: 'first' }, id: 'DESC' } as const
      expect(idsOf(await patients.find({ order }))).toEqual([2, 1, 3])
    }),
    supported(
      'skip, take',
      async ({ patients }) => {
        const page = { order: { income: 'ASC' }, skip: 1, take: 1 } as const
        expect(idsOf(await patients.find(page))).toEqual([2])
      },
      'one bucket beyond the page is opened at most',
    ),
    supported('skip, take with relations', async ({ patients }) => {
      const order = { income: 'DESC' } as const
      const [one] = await patients.find({ order, take: 1, relations: { notes: true } })
      expect(one).toMatchObject({ id: 3, notes: [{}, {}] })
    }),
    supported(
      'offset, limit',
      async ({ builder }) => {
        expect(idsOf(await builder().orderBy('p.income').offset(2).limit(5).getMany())).toEqual([3])
      },
      'without joins',
    ),
    refused(
      'offset, limit with joins',
      'ERR_QUERY_UNSUPPORTED',
      ({ builder }) => builder().leftJoin('p.notes', 'n').orderBy('p.income').limit(1).getMany(),
      'they count joined rows; use take() and skip()',
    ),
    supported('order by a to-one relation', async ({ notes }) => {
      const order = { patient: { income: 'DESC' }, weight: 'DESC' } as const
      const found = await notes.find({ order, relations: { patient: true }, take: 3 })
      expect(idsOf(found)).toEqual([32, 31, 22])
    }),
    refused(
      'order by a to-many relation',
      'ERR_QUERY_UNSUPPORTED',
      ({ builder }) => builder().leftJoinAndSelect('p.notes', 'n').orderBy('n.weight').getMany(),
      'sort the loaded entities',
    ),
    refused(
      'order by a property without a range index',
      'ERR_QUERY_UNSUPPORTED',
      ({ patients }) => patients.find({ order: { email: 'ASC' } }),
      'declare range',
    ),
    refused(
      'order by SQL text over it',
      'ERR_QUERY_UNSUPPORTED',
      ({ builder }) => builder().orderBy('lower(p.email)').getMany(),
      'order by the property',
    ),
    supported('order by CASE over exact tokens', async ({ builder }) => {
      const first = `CASE WHEN p.email = 'p2@x.org' THEN 0 ELSE 1 END`
      const ordered = builder().addSelect(first, 'first').orderBy('first').addOrderBy('p.id')
      expect(idsOf(await ordered.getMany())).toEqual([2, 1, 3])
    }),
    supported(
      'a page over more rows than maxRefine',
      async ({ patients }) => {
        const page = { where: { surname: 'Abel' }, order: { income: 'ASC' }, take: 1 } as const
        expect(await patients.find(page)).toHaveLength(1)
      },
      'else `ERR_REFINE_LIMIT`, never a part of the answer',
    ),
    supported(
      'the order of `@Entity({ orderBy })`',
      async ({ repository }) => {
        const members = repository(Member)
        await members.save([2, 9, 5].map((rank, id) => ({ id, rank, name: 'm' })))
        expect(idsOf(await members.findBy({ name: 'm' }))).toEqual([1, 2, 0])
        expect(await members.existsBy({ name: 'm' })).toBe(true)
        const raw = members.createQueryBuilder('m').getRawMany()
        await expect(raw).rejects.toMatchObject({ code: 'ERR_QUERY_UNSUPPORTED' })
      },
      'raw results of such an entity are refused',
    ),
  ],
}
