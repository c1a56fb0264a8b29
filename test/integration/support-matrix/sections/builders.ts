import { Brackets, MoreThan, NotBrackets } from 'typeorm'
import { expect } from 'vitest'
import { explainEncrypted } from '../../../../src/typeorm'
import { refused, type Section, supported } from '../matrix'

export const builders: Section = {
  title: 'Query builders that read',
  rows: [
    supported('getMany, getOne, getOneOrFail', async ({ builder }) => {
      expect(await builder().where({ email: 'p1@x.org' }).getMany()).toMatchObject([{ income: 7 }])
      expect(await builder().where('p.income > 14').getOne()).toMatchObject({ id: 3 })
      expect(await builder().where('p.id = 1').getOneOrFail()).toMatchObject({ surname: 'Abel' })
    }),
    supported('getManyAndCount, getCount, getExists', async ({ builder }) => {
      const some = builder().where({ income: MoreThan(7) })
      expect((await some.clone().take(1).getManyAndCount())[1]).toBe(2)
      expect(await some.clone().getCount()).toBe(2)
      expect(await some.clone().getExists()).toBe(true)
    }),
    supported('object conditions, arrays of them', async ({ builder }) => {
      const where = [{ email: 'p1@x.org' }, { ward: 'B', income: 21 }]
      expect(await builder().where(where).getCount()).toBe(2)
    }),
    supported(
      'object conditions on a joined relation',
      async ({ notes }) => {
        const query = notes.createQueryBuilder('n').innerJoin('n.patient', 'p')
        const where = { patient: { email: 'p1@x.org' }, weight: 2 }
        expect(await query.where(where).getMany()).toMatchObject([{ text: 'n12' }])
      },
      'by its alias; a to-many relation on 1.x only',
    ),
    refused(
      'object conditions on a relation that is not joined',
      'ERR_QUERY_UNSUPPORTED',
      async ({ notes }) =>
        notes
          .createQueryBuilder('n')
          .where({ patient: { email: 'p1@x.org' } })
          .getMany(),
      'join it, or use find()',
    ),
    supported('Brackets, NotBrackets', async ({ builder }) => {
      const inside = new Brackets((q) => q.where({ income: 7 }).orWhere('p.income > 14'))
      expect(await builder().where(inside).getCount()).toBe(2)
      expect(
        await builder()
          .where(new NotBrackets((q) => q.where('p.income > 7')))
          .getCount(),
      ).toBe(1)
    }),
    supported('select, addSelect', async ({ builder }) => {
      const [one] = await builder().select(['p.id', 'p.email']).where('p.id = 1').getMany()
      expect(one).toEqual({ id: 1, email: 'p1@x.org' })
    }),
    supported('innerJoin, leftJoin, and their AndSelect', async ({ builder }) => {
      const one = await builder()
        .leftJoinAndSelect('p.notes', 'n')
        .where('n.text = :t', { t: 'n21' })
        .getOneOrFail()
      expect(one.notes).toMatchObject([{ text: 'n21', weight: 2 }])
    }),
    supported('leftJoinAndMapOne, leftJoinAndMapMany', async ({ builder }) => {
      const one = await builder()
        .leftJoinAndMapMany('p.light', 'p.notes', 'n', 'n.text = :t', { t: 'n11' })
        .where('p.id = 1')
        .getOneOrFail()
      expect((one as unknown as { light: unknown[] }).light).toMatchObject([{ text: 'n11' }])
    }),
    supported('clone, setFindOptions', async ({ patients, builder }) => {
      const options = { where: { email: 'p1@x.org' } }
      expect(await patients.createQueryBuilder().setFindOptions(options).getCount()).toBe(1)
      expect(await builder().where('p.income > 7').clone().getCount()).toBe(2)
    }),
    supported(
      'subqueries',
      async ({ builder }) => {
        const found = await builder()
          .where((q) => {
            const sub = q.subQuery().select('n.patientId').from('Note', 'n')
            return `p.id IN ${sub.where('n.text = :t').getQuery()}`
          })
          .setParameter('t', 'n31')
          .getMany()
        expect(found).toMatchObject([{ id: 3, email: 'p3@x.org' }])
      },
      'by exact tokens',
    ),
    supported(
      'common table expressions',
      async ({ dataSource, builder }) => {
        const chosen = builder().select('p.id', 'id').where({ email: 'p1@x.org' })
        const count = dataSource.createQueryBuilder().addCommonTableExpression(chosen, 'c')
        expect(await count.select('COUNT(*)', 'n').from('c', 'c').getRawOne()).toEqual({ n: '1' })
      },
      'by exact tokens',
    ),
    supported('setLock', async ({ dataSource }) => {
      await dataSource.transaction(async (manager) => {
        const query = manager.createQueryBuilder('Patient', 'p').setLock('pessimistic_write')
        expect(await query.where('p.income > 7').getMany()).toHaveLength(2)
      })
    }),
    supported(
      'explainEncrypted',
      async ({ builder }) => {
        const explained = await explainEncrypted(builder().where('p.email = :e', { e: 'p1@x.org' }))
        expect(explained).toMatchObject({ indexed: true, properties: [{ column: 'email_hmac' }] })
      },
      'tells what was rewritten, and whether an index serves it',
    ),
    supported(
      'one builder several times, also at the same time',
      async ({ builder }) => {
        const query = builder().where('p.income > 7').orderBy('p.income').take(1)
        const [many, count, exists, [page, all]] = await Promise.all([
          query.getMany(),
          query.getCount(),
          query.getExists(),
          query.getManyAndCount(),
        ])
        expect([many, page]).toMatchObject([[{ income: 14 }], [{ income: 14 }]])
        expect([count, exists, all]).toEqual([2, true, 2])
        expect(await query.getMany()).toMatchObject([{ income: 14 }])
      },
      'it may be changed or cloned while it runs',
    ),
    supported(
      'distinct with the primary key, distinctOn of a plain property',
      async ({ builder }) => {
        const distinct = builder().select(['p.id', 'p.email']).distinct()
        expect(await distinct.orderBy('p.id').getMany()).toMatchObject([
          { email: 'p1@x.org' },
          { email: 'p2@x.org' },
          { email: 'p3@x.org' },
        ])
        const first = builder().select(['p.id', 'p.email']).distinctOn(['p.ward']).orderBy('p.ward')
        expect(await first.addOrderBy('p.id').getMany()).toMatchObject([{ id: 1 }, { id: 3 }])
      },
    ),
    supported('a subquery in FROM, in a join, in SELECT', async ({ builder, dataSource }) => {
      const outer = dataSource.createQueryBuilder().select('s.id', 'id')
      const inner = outer.from(
        (q) => q.select('p.id', 'id').from('Patient', 'p').where("p.email = 'p1@x.org'"),
        's',
      )
      expect(await inner.getRawMany()).toEqual([{ id: 1 }])
      const joined = builder().innerJoin(
        (q) => q.select('n.patientId', 'owner').from('Note', 'n').where("n.text = 'n22'"),
        's',
        's.owner = p.id',
      )
      expect(await joined.andWhere('p.income > 7').getMany()).toMatchObject([{ id: 2 }])
    }),
  ],
}
