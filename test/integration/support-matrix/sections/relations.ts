import { LessThan, MoreThan, type Repository } from 'typeorm'
import { expect } from 'vitest'
import { Card, Member, Membership, Patient } from '../entities'
import { type Section, supported } from '../matrix'

async function saveMembers(members: Repository<Member>): Promise<void> {
  await members.save([
    { id: 1, name: 'a', rank: 9, clubs: [{ memberId: 1, clubId: 1, role: 'chair' }] },
    { id: 2, name: 'b', rank: 5, boss: { id: 1 } },
    { id: 3, name: 'c', rank: 2, boss: { id: 1 } },
  ])
}

const STRATEGIES = ['join', 'query'] as const

export const relations: Section = {
  title: 'Relations',
  rows: [
    ...STRATEGIES.map((relationLoadStrategy) =>
      supported(
        `relations, relationLoadStrategy '${relationLoadStrategy}'`,
        async ({ patients }) => {
          const options = { relations: { notes: true, tags: true }, relationLoadStrategy }
          const one = await patients.findOneOrFail({ where: { email: 'p1@x.org' }, ...options })
          expect(one.notes.map(({ text }) => text).sort()).toEqual(['n11', 'n12'])
          expect(one.tags).toMatchObject([{ label: 'red' }])
        },
      ),
    ),
    supported('select in relations', async ({ patients }) => {
      const one = await patients.findOneOrFail({
        select: { id: true, notes: { id: true, text: true } },
        relations: { notes: true },
        where: { id: 1 },
        order: { notes: { id: 'ASC' } },
      })
      expect(one.notes).toEqual([
        { id: 11, text: 'n11' },
        { id: 12, text: 'n12' },
      ])
    }),
    supported('conditions on relations', async ({ patients, notes }) => {
      const owner = { patient: { email: 'p2@x.org', income: 14 } }
      expect(await notes.countBy(owner)).toBe(2)
      expect(await patients.findBy({ tags: { label: 'red' } })).toMatchObject([{ id: 1 }])
    }),
    supported('lazy relations', async ({ repository }) => {
      const card = await repository(Card).findOneByOrFail({ number: '4711' })
      expect(await card.patient).toMatchObject({ email: 'p1@x.org', income: 7 })
    }),
    supported('one-to-one, both sides', async ({ patients }) => {
      const where = { card: { number: '4711' } }
      const found = await patients.find({ where, relations: { card: true } })
      expect(found).toMatchObject([{ id: 1, card: { number: '4711' } }])
    }),
    supported('loadRelationIds', async ({ patients }) => {
      const one = await patients.findOneOrFail({ where: { id: 1 }, loadRelationIds: true })
      expect((one.notes as unknown as number[]).sort()).toEqual([11, 12])
      expect(one.email).toBe('p1@x.org')
    }),
    supported('relation().of().loadMany(), loadOne()', async ({ dataSource }) => {
      const relation = dataSource.createQueryBuilder().relation(Patient, 'notes')
      const found = await relation.of(1).loadMany()
      expect(found.map(({ text }) => text).sort()).toEqual(['n11', 'n12'])
    }),
    supported('joins of entities without a relation', async ({ builder }) => {
      const joined = builder().innerJoinAndSelect('Tag', 't', `t.id = p.id AND t.label = 'red'`)
      expect(await joined.getMany()).toMatchObject([{ id: 1 }])
    }),
    supported('self-joins', async ({ builder }) => {
      const pairs = builder().innerJoin('Patient', 'q', 'q.income > 7 AND q.id = p.id + 1')
      expect(await pairs.getCount()).toBe(2)
    }),
    supported('eager relations, loadEagerRelations: false', async ({ repository }) => {
      await saveMembers(repository(Member))
      const find = (loadEagerRelations: boolean) =>
        repository(Member).find({ where: { rank: MoreThan(4) }, loadEagerRelations })
      expect(await find(true)).toMatchObject([{ clubs: [{ role: 'chair' }] }, { clubs: [] }])
      expect((await find(false)).map(({ clubs }) => clubs)).toEqual([undefined, undefined])
    }),
    supported('a relation of an entity to itself', async ({ repository }) => {
      await saveMembers(repository(Member))
      const relations = { boss: true, reports: true }
      const found = await repository(Member).find({ relations, where: { boss: { name: 'a' } } })
      expect(found).toMatchObject([
        { name: 'b', boss: { name: 'a', rank: 9 } },
        { name: 'c', boss: { name: 'a', rank: 9 } },
      ])
    }),
    supported('many-to-many through an entity, keys of two columns', async ({ repository }) => {
      await saveMembers(repository(Member))
      const where = { role: 'chair', member: { rank: MoreThan(4) } }
      const found = await repository(Membership).find({ where, relations: { member: true } })
      expect(found).toMatchObject([{ clubId: 1, role: 'chair', member: { name: 'a' } }])
    }),
    supported('@RelationId, loadRelationIds on a refined page', async ({ repository }) => {
      await saveMembers(repository(Member))
      const loadRelationIds = { relations: ['boss'] }
      const page = { where: { rank: LessThan(9) }, take: 1, loadRelationIds }
      expect(await repository(Member).find(page)).toMatchObject([{ name: 'b', boss: 1, bossId: 1 }])
    }),
  ],
}
