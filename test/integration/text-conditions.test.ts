import {
  Brackets,
  In,
  Like,
  MoreThan,
  MoreThanOrEqual,
  Not,
  NotBrackets,
  type ObjectLiteral,
} from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Clear, ClearVisit, openTwins, Sealed, SealedVisit } from './twins'

let twins: Awaited<ReturnType<typeof openTwins>>

beforeAll(async () => {
  twins = await openTwins(120)
})

afterAll(() => twins?.close())

type Builder = ReturnType<typeof builderOf>

const builderOf = (entity: new () => ObjectLiteral, alias = 'p') =>
  twins.dataSource.getRepository(entity).createQueryBuilder(alias)

const idsOf = async (builder: Builder) =>
  (await builder.orderBy('p.id').getMany()).map(({ id }) => id)

/** The same builder calls on both twins; values of normalised properties are given in lower case. */
async function bothAnswer(build: (builder: Builder, visit: new () => ObjectLiteral) => Builder) {
  const [sealed, clear] = [
    build(builderOf(Sealed), SealedVisit),
    build(builderOf(Clear), ClearVisit),
  ]
  const ids = await idsOf(clear.clone())
  expect(await idsOf(sealed.clone())).toEqual(ids)
  expect(await sealed.getCount()).toBe(await clear.getCount())
  const page = (one: Builder) => idsOf(one.clone().skip(1).take(4))
  expect(await page(sealed)).toEqual(await page(clear))
  return ids
}

const seen = new Date('2000-01-01T00:00:00Z')

describe('SQL text in WHERE is answered as on the same rows in clear', () => {
  const texts: Record<string, [string, ObjectLiteral?]> = {
    'equality with a parameter': ['p.code = :c', { c: 'x1' }],
    'the parameter first': [':c = p.code', { c: 'x1' }],
    'a quoted name': ['"p"."code" = :c', { c: 'x1' }],
    'a bare name': ['code = :c', { c: 'x1' }],
    'a literal': [`p.code = 'x1'`],
    inequality: ['p.code <> :c', { c: 'x1' }],
    'inequality in C': ['p.code != :c', { c: 'x1' }],
    'a list': ['p.code IN (:...list)', { list: ['x1', 'z3'] }],
    'a list of several operands': [`p.code IN ('x1', :c)`, { c: 'z3' }],
    'not in a list': ['p.code NOT IN (:...list)', { list: ['x1', 'z3'] }],
    'an array': ['p.code = ANY(:list)', { list: ['x1', 'z3'] }],
    'not in an array': ['p.code <> ALL(:list)', { list: ['x1', 'z3'] }],
    'a truncated token': ['p.nick = :n', { n: 'ann' }],
    'not a truncated token': ['NOT p.nick = :n', { n: 'ann' }],
    'a range': ['p.income > :i', { i: 9_999.5 }],
    'a range of a literal': ['p.income >= -0.5'],
    'a range with the literal first': ['-0.5 < p.income'],
    between: ['p.income BETWEEN :a AND :b AND p.ward = :w', { a: 0, b: 10_000, w: 'A' }],
    'not between': ['p.income NOT BETWEEN :a AND :b', { a: 0, b: 10_000 }],
    'a date': [`p.born < '1950-02-15'`],
    'a timestamp': ['p.seen >= :s', { s: seen }],
    'a bigint': ['p.account > :a', { a: 999n }],
    'a bigint literal': ['p.account <= 1000'],
    'a boolean': ['p.smoker = true'],
    'a prefix of the bucket': ['p.surname LIKE :s', { s: 'A%' }],
    'a prefix of the length of the bucket': ['p.surname LIKE :s', { s: 'Ab%' }],
    'a longer prefix': ['p.surname LIKE :s', { s: 'Abe%' }],
    'wildcards after a prefix': ['p.surname LIKE :s', { s: 'A_r%m' }],
    'not a prefix': ['p.surname NOT LIKE :s', { s: 'Ab%' }],
    'not a longer prefix': ['p.surname NOT LIKE :s', { s: 'Abr%' }],
    'a code point outside of the first plane': ['p.surname LIKE :s', { s: '\u{1f600}%' }],
    'null tests': ['p.code IS NULL OR p.income IS NOT NULL'],
    'an OR of plain and lossy parts': [`p.ward = 'A' OR p.income > :i`, { i: 10_000 }],
    'AND binds tighter than OR': [
      `p.ward = 'A' OR p.ward = 'B' AND p.income > :i OR p.code = 'x1'`,
      { i: 0 },
    ],
    'parentheses and NOT': [
      `NOT (p.income > :i OR NOT (p.code = 'x1' AND p.ward IS NOT NULL))`,
      { i: 10_000 },
    ],
    'CASE beside it': [
      `CASE WHEN p.ward = 'A' AND p.id > 3 THEN true ELSE false END AND p.income > :i`,
      { i: 0 },
    ],
    'CASE around an exact comparison': [`CASE WHEN p.code = 'x1' THEN p.id > 20 ELSE p.id < 9 END`],
    'comments and odd spaces': [`p.code/* = 'a' */=\n-- OR\n :c`, { c: 'x1' }],
    'a comparison of a comparison': [`(p.code = 'x1') IS NOT TRUE`],
  }

  it.each(Object.entries(texts))('%s', async (_, [text, parameters]) => {
    const ids = await bothAnswer((builder) => builder.where(text, parameters))
    expect(ids.length).toBeGreaterThan(0)
    expect(ids.length).toBeLessThan(120)
  })

  it('texts that TypeORM joins without brackets', async () => {
    await bothAnswer((builder) =>
      builder
        .where(`p.ward = 'A' OR p.income < :low`, { low: 0 })
        .andWhere(`p.code = 'x1' OR p.score > 0`)
        .orWhere('p.surname LIKE :s', { s: 'A%' }),
    )
  })

  it('a plain OR among them, beside ranges as text and as objects', async () => {
    await bothAnswer((builder) =>
      builder
        .where(`p.ward = 'A' OR p.code IS NOT NULL`)
        .andWhere(`p.code = 'x1' OR p.income BETWEEN -10000 AND -10000`),
    )
    await bothAnswer((builder) =>
      builder
        .where({ income: MoreThan(0) })
        .andWhere(`p.ward = 'A' OR p.ward = 'B'`)
        .orWhere({ score: MoreThan(7) }),
    )
  })

  it('brackets, their negation and objects among them', async () => {
    await bothAnswer((builder) =>
      builder
        .where(new Brackets((q) => q.where('p.income > :i', { i: 0 }).orWhere({ ward: 'C' })))
        .andWhere(new NotBrackets((q) => q.where({ code: In(['x1']) }).andWhere('p.score > 0')))
        .andWhere(new NotBrackets((q) => q.where('p.income > :j', { j: 20_000 }))),
    )
  })
})

describe('SQL text elsewhere', () => {
  it('ON of a join', async () => {
    await bothAnswer((builder) =>
      builder.innerJoin('p.visits', 'v', 'v.room = :r AND p.code = :c', { r: 'R1', c: 'x1' }),
    )
  })

  it('an object condition on a joined relation', async () => {
    const visits = (entity: new () => ObjectLiteral) =>
      idsOf(
        builderOf(entity)
          .leftJoin('p.owner', 'o')
          .where({
            owner: { income: MoreThanOrEqual(0), code: 'x1', ward: 'A' },
            weight: MoreThan(0),
          }),
      )
    const ids = await visits(ClearVisit)
    expect(ids.length).toBeGreaterThan(0)
    expect(await visits(SealedVisit)).toEqual(ids)
    const ask = async () =>
      builderOf(SealedVisit)
        .leftJoin('p.owner', 'o')
        .where({ owner: { code: 'x1', id: 3 } })
        .getMany()
    await expect(ask()).rejects.toMatchObject({
      code: 'ERR_QUERY_UNSUPPORTED',
      field: 'Sealed.code',
    })
    const unjoined = builderOf(SealedVisit)
    expect(() => unjoined.where({ owner: { code: 'x1' } })).toThrow(/Sealed\.code: join owner/)
  })

  it('a range in ON of inner joins', async () => {
    await bothAnswer((builder) =>
      builder.innerJoin('p.visits', 'v', `v.weight > :w OR p.code = 'x1'`, { w: 0 }),
    )
    await bothAnswer((builder, visit) =>
      builder
        .innerJoin(visit as never, 'v', 'v.ownerId = p.id AND v.weight BETWEEN 0 AND 5')
        .where('p.income > 0'),
    )
  })

  it('a join with an entity, whose condition is in WHERE', async () => {
    await bothAnswer((builder, visit) =>
      builder
        .innerJoin(visit as never, 'v', 'v.ownerId = p.id')
        .where('v.weight >= :w AND p.income > 0', { w: 5 }),
    )
  })

  it('EXISTS over a subquery of a builder, its parameters set on either one', async () => {
    await bothAnswer((builder, visit) =>
      builder
        .where((q) => {
          const visits = q.subQuery().select('o').from(visit, 'o')
          return `EXISTS ${visits.where(`o.id = p.id AND p.code = :c`).getQuery()}`
        })
        .setParameter('c', 'x1'),
    )
  })

  it('IN over subqueries that were built apart, each with values of its own', async () => {
    await bothAnswer((builder) => {
      const source = builder.expressionMap.mainAlias?.target as new () => ObjectLiteral
      const apart = (alias: string, code: string) =>
        builderOf(source, alias).select(`${alias}.id`).where(`${alias}.code = '${code}'`)
      const [a, b] = [apart('a', 'x1'), apart('b', 'z3')]
      return builder
        .where(`p.id IN (${a.getQuery()}) OR p.id IN (${b.getQuery()})`)
        .setParameters({ ...a.getParameters(), ...b.getParameters() })
    })
  })

  it('a subquery by hand over another table', async () => {
    const sealed = builderOf(SealedVisit, 'p').where(
      `p.ownerId IN (SELECT s.id FROM "sealed" s WHERE s."code" = :c)`,
      { c: 'x1' },
    )
    const clear = builderOf(ClearVisit, 'p').where(
      `p.ownerId IN (SELECT s.id FROM "clear" s WHERE s."code" = :c)`,
      { c: 'x1' },
    )
    const ids = await idsOf(clear)
    expect(ids.length).toBeGreaterThan(0)
    expect(await idsOf(sealed)).toEqual(ids)
  })

  it('GROUP BY, COUNT(DISTINCT …), COUNT and CASE over exact tokens', async () => {
    const raw = async (entity: new () => ObjectLiteral) => {
      const groups = await builderOf(entity)
        .select('COUNT(*)', 'n')
        .groupBy('p.code')
        .having('p.code <> :c OR p.code IS NULL', { c: 'x1' })
        .orderBy('n')
        .getRawMany()
      const [counts] = await builderOf(entity)
        .select('COUNT(DISTINCT p.code)', 'codes')
        .addSelect('COUNT(p.income)', 'incomes')
        .addSelect(`SUM(CASE WHEN p.code = 'x1' THEN 1 ELSE 0 END)`, 'x1')
        .getRawMany()
      return { groups, counts }
    }
    const answer = await raw(Clear)
    expect(answer.groups.length).toBeGreaterThan(1)
    expect(await raw(Sealed)).toEqual(answer)
  })

  it('a common table expression', async () => {
    const count = (entity: new () => ObjectLiteral) =>
      twins.dataSource
        .createQueryBuilder()
        .addCommonTableExpression(
          builderOf(entity).select('p.id', 'id').where('p.code = :c', { c: 'x1' }),
          'chosen',
        )
        .select('COUNT(*)', 'n')
        .from('chosen', 'chosen')
        .getRawOne()
    expect(await count(Sealed)).toEqual(await count(Clear))
  })

  it('UPDATE and DELETE', async () => {
    const write = async (entity: new () => ObjectLiteral, visit: new () => ObjectLiteral) => {
      const runner = twins.dataSource.createQueryRunner()
      await runner.startTransaction()
      try {
        const repository = runner.manager.getRepository(entity)
        const updated = await repository
          .createQueryBuilder()
          .update()
          .set({ ward: 'Z' })
          .where('code = :c AND ward = :w', { c: 'x1', w: 'A' })
          .execute()
        await runner.manager.createQueryBuilder().delete().from(visit).execute()
        const builder = repository.createQueryBuilder().delete()
        const removed = await builder.where('code IN (:...l)', { l: ['y2'] }).execute()
        return [updated.affected, removed.affected, await repository.countBy({ ward: 'Z' })]
      } finally {
        await runner.rollbackTransaction()
        await runner.release()
      }
    }
    const answer = await write(Clear, ClearVisit)
    expect(Math.min(...(answer as number[]))).toBeGreaterThan(0)
    expect(await write(Sealed, SealedVisit)).toEqual(answer)
  })
})

describe('Like in find options', () => {
  it.each(['A%', 'Ab%', 'Abr%', 'A_e%', 'Ab', '\\%x%'])('%s', async (pattern) => {
    for (const condition of [Like(pattern), Not(Like(pattern))]) {
      const ask = async (entity: new () => ObjectLiteral) => {
        const options = { where: { surname: condition }, order: { id: 'ASC' as const } }
        return (await twins.dataSource.getRepository(entity).find(options)).map(({ id }) => id)
      }
      expect(await ask(Sealed)).toEqual(await ask(Clear))
    }
  })
})
