import fc from 'fast-check'
import type { FindManyOptions, ObjectLiteral } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  buildOrder,
  buildWhere,
  orderOver,
  queryOf,
  sealedQuery,
  sealedWhere,
  type TwinQuery,
  visitWhere,
} from './twin-queries'
import { Clear, ClearVisit, openTwins, Sealed, SealedVisit } from './twins'

const SLOW = process.env.SLOW === '1'
const RUNS = { numRuns: SLOW ? 2_000 : 150 }
const TIMEOUT = SLOW ? 1_200_000 : 120_000

let twins: Awaited<ReturnType<typeof openTwins>>

beforeAll(async () => {
  twins = await openTwins(150)
})

afterAll(() => twins?.close())

type Options = FindManyOptions<ObjectLiteral>
type Entity = ObjectLiteral

const find = (entity: new () => Entity, options: Options) =>
  twins.dataSource.getRepository(entity).find(options)

/** The one query for both twins; the last key makes the order total. */
function optionsOf({ where, order, skip, take }: TwinQuery, clear: boolean): Options {
  return {
    where: where.map((one) => buildWhere(one, clear)),
    order: { ...buildOrder(order), id: 'ASC' },
    ...(skip === undefined ? {} : { skip }),
    ...(take === undefined ? {} : { take }),
  } as Options
}

const idsOf = (entities: readonly Entity[]) => entities.map(({ id }) => id)

const idsWithVisits = (entities: readonly Entity[]) =>
  entities.map(({ id, visits }) => [id, idsOf(visits).sort((a, b) => a - b)])

describe('a find on an encrypted entity answers as on the same rows in clear', () => {
  it('find', { timeout: TIMEOUT }, async () => {
    await fc.assert(
      fc.asyncProperty(sealedQuery, async (query) => {
        const found = await find(Sealed, optionsOf(query, false))
        expect(idsOf(found)).toEqual(idsOf(await find(Clear, optionsOf(query, true))))
      }),
      RUNS,
    )
  })

  it('findAndCount, count and exists', { timeout: TIMEOUT }, async () => {
    await fc.assert(
      fc.asyncProperty(sealedQuery, async (query) => {
        const answer = async (entity: new () => Entity, clear: boolean) => {
          const repository = twins.dataSource.getRepository(entity)
          const options = optionsOf(query, clear)
          const where = { where: options.where } as Options
          const [page, total] = await repository.findAndCount(options)
          return {
            page: idsOf(page),
            total,
            count: await repository.count(where),
            exists: await repository.exists(where),
          }
        }
        expect(await answer(Sealed, false)).toEqual(await answer(Clear, true))
      }),
      RUNS,
    )
  })

  it('tests a lossy part whose superset reads like a plain part beside it', async () => {
    const not = { op: 'in', values: ['Ann'] } as const
    const test = { op: 'not', parts: [{ op: 'or', parts: [not, { op: 'null' }] }] } as const
    const where = [
      { nick: { op: 'null' } },
      { ward: { op: '=', values: ['A'] }, nick: test },
    ] as const
    const query: TwinQuery = { where, order: [], skip: 3, take: 40 }
    const found = await find(Sealed, optionsOf(query, false))
    expect(idsOf(found)).toEqual(idsOf(await find(Clear, optionsOf(query, true))))
  })

  it('a range in the order of an expression that is selected under a name', async () => {
    const builder = (entity: new () => Entity) =>
      twins.dataSource
        .getRepository(entity)
        .createQueryBuilder('p')
        .addSelect('p.id % 7', 'weekday')
        .where('p.income > 5')
        .orderBy('weekday', 'DESC')
    const answer = async (entity: new () => Entity) => [
      idsOf(await builder(entity).addOrderBy('p.id').skip(3).take(9).getMany()),
      idsOf(await builder(entity).addOrderBy('p.income').addOrderBy('p.id').getMany()),
      idsOf(await builder(entity).orderBy('"weekday"').addOrderBy('p.id').take(9).getMany()),
    ]
    expect(await answer(Sealed)).toEqual(await answer(Clear))
  })

  it('opens the values that were saved', async () => {
    const order = { id: 'ASC' } as const
    const found = await find(Sealed, { order })
    const income = (rows: Entity[]) => rows.map((row) => [row.income, row.born, row.surname])
    expect(income(found)).toEqual(income(await find(Clear, { order })))
  })
})

describe('across relations', () => {
  const ownerQuery = queryOf(sealedWhere, ['ward', 'income', 'surname', 'account'])

  it('pages over a to-many relation that is filtered and loaded', {
    timeout: TIMEOUT,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(ownerQuery, visitWhere, fc.boolean(), async (query, visit, load) => {
        const answer = async (entity: new () => Entity, clear: boolean) => {
          const repository = twins.dataSource.getRepository(entity)
          const options = optionsOf(query, clear)
          const visits = buildWhere(visit, clear)
          const alternatives = options.where as Record<string, unknown>[]
          const where = alternatives.map((one, index) => (index === 0 ? { ...one, visits } : one))
          const asked = { ...options, where, ...(load ? { relations: { visits: true } } : {}) }
          const [page, total] = await repository.findAndCount(asked as Options)
          const count = await repository.count({ where } as Options)
          return { page: load ? idsWithVisits(page) : idsOf(page), total, count }
        }
        expect(await answer(Sealed, false)).toEqual(await answer(Clear, true))
      }),
      RUNS,
    )
  })

  it('filters and orders by a to-one relation', { timeout: TIMEOUT }, async () => {
    const ownerOrder = orderOver(['ward', 'income', 'surname', 'born'])
    await fc.assert(
      fc.asyncProperty(
        queryOf(visitWhere, ['room', 'weight']),
        sealedWhere,
        ownerOrder,
        async (query, owner, sort) => {
          const ask = async (entity: new () => Entity, clear: boolean) => {
            const { where, order, ...page } = optionsOf(query, clear)
            const [first, ...others] = where as Record<string, unknown>[]
            const options = {
              ...page,
              where: [{ ...first, owner: buildWhere(owner, clear) }, ...others],
              order: { owner: buildOrder(sort), ...order },
              relations: { owner: true },
            } as Options
            const found = await find(entity, options)
            return found.map((visit) => [visit.id, visit.owner?.id ?? null])
          }
          expect(await ask(SealedVisit, false)).toEqual(await ask(ClearVisit, true))
        },
      ),
      RUNS,
    )
  })
})
