import {
  And,
  Between,
  type FindManyOptions,
  type FindOptionsWhere,
  In,
  LessThan,
  Like,
  MoreThan,
  MoreThanOrEqual,
  Not,
} from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../database'
import { Person, Pet, type Setup, setUp } from './people'

/** Rows in each of the six buckets of `income`. */
const BUCKET = 100
const ROWS = 6 * BUCKET

let database: TestDatabase
/** May open two buckets beyond a page, and `narrow` one row less. */
let setup: Setup
let narrow: Setup

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Person, Pet], {}, { maxRefine: 2 * BUCKET })
  const people = Array.from({ length: ROWS }, (_, id) =>
    Object.assign(new Person(), {
      id,
      ward: id % 3 ? 'A' : 'B',
      email: `user${id}@example.com`,
      income: ((id * 7) % ROWS) * 100,
      surname: ['Abel', 'Abraham', 'Baker', 'Bauer', 'Cook', 'Cox'][id % 6],
    }),
  )
  await setup.dataSource.getRepository(Person).insert(people)
  await setup.dataSource.query('VACUUM ANALYZE person')
  const { secret } = setup
  const limits = { secret, maxRefine: 2 * BUCKET - 1 }
  narrow = await setUp(database.url, [Person, Pet], { synchronize: false }, limits)
})

afterAll(async () => {
  await narrow?.dataSource.destroy()
  await setup?.dataSource.destroy()
  await database?.drop()
})

const people = ({ dataSource } = setup) => dataSource.getRepository(Person)

/** Rows that came from the database, by statement. */
async function rowsSent(run: () => Promise<unknown>): Promise<number[]> {
  const { subscribers } = setup.dataSource
  const sent: number[] = []
  subscribers.push({ afterQuery: ({ rawResults }) => void sent.push(rawResults.rows.length) })
  try {
    await run()
  } finally {
    subscribers.pop()
  }
  return sent
}

describe('rows that a query is sent', () => {
  it.each<[string, FindManyOptions<Person>, number[]]>([
    ['an exact condition', { where: { email: 'user3@example.com' } }, [1]],
    ['a list of them', { where: { email: In(['user3@example.com', 'user4@example.com']) } }, [2]],
    ['a prefix as long as the bucket', { where: { surname: Like('Ba%') } }, [2 * BUCKET]],
    ['a longer one', { where: { surname: Like('Bak%') } }, [2 * BUCKET]],
    ['a range', { where: { income: Between(15_050, 25_050) } }, [2 * BUCKET]],
    ['an ordered page', { order: { income: 'ASC' }, take: 20 }, [BUCKET, 20]],
    ['a deep one', { order: { income: 'DESC' }, skip: 250, take: 20 }, [BUCKET, 20]],
    ['one across two buckets', { order: { income: 'ASC' }, skip: 290, take: 20 }, [200, 20]],
  ])('%s', async (_, options, expected) => {
    expect(await rowsSent(() => people().find(options))).toEqual(expected)
  })

  it('a page in order, of a range: the bucket at the near end, where enough of it matches', async () => {
    const page = (from: number, to: number) => () =>
      people().find({ where: { income: Between(from, to) }, order: { income: 'ASC' }, take: 10 })
    expect(await rowsSent(page(5_050, 34_950))).toEqual([BUCKET, 10])
    // Nothing of the first bucket matches: the next one is read as well.
    expect(await rowsSent(page(9_950, 34_950))).toEqual([BUCKET, 2 * BUCKET, 10])
    expect(await rowsSent(page(2_010, 2_290))).toEqual([BUCKET, 2])
    const incomes = async (from: number) => (await page(from, 34_950)()).map((one) => one.income)
    expect(await incomes(9_950)).toEqual(Array.from({ length: 10 }, (_, i) => 10_000 + 100 * i))
    expect(await incomes(9_750)).toEqual(Array.from({ length: 10 }, (_, i) => 9_800 + 100 * i))
  })

  it('a page without an order: some of the rows to open, where enough of them match', async () => {
    const page = (surname: string) => () =>
      people().find({ where: { surname: Like(surname) }, take: 5 })
    expect(await rowsSent(page('Bak%'))).toEqual([100, 5])
    expect(await rowsSent(page('Bax%'))).toEqual([100, 2 * BUCKET])
  })

  it('a count: the buckets at both ends', async () => {
    const count = () => people().countBy({ income: Between(5_050, 34_950) })
    expect(await rowsSent(count)).toEqual([2 * BUCKET])
    expect(await count()).toBe(299)
  })

  it('a count from one bucket up to another: none', async () => {
    const income = And(MoreThanOrEqual(10_000), LessThan(30_000))
    expect(await rowsSent(() => people().countBy({ income }))).toEqual([1])
    expect(await people().countBy({ income })).toBe(2 * BUCKET)
    expect(await rowsSent(() => people().find({ where: { income }, take: 5 }))).toEqual([5])
    const beyond = And(MoreThanOrEqual(10_000), LessThan(30_001))
    expect(await people().countBy({ income: beyond })).toBe(2 * BUCKET + 1)
  })

  it('and where rows cannot be opened, a bound at which a bucket begins is answered', async () => {
    const from = (income: number) =>
      people().createQueryBuilder('p').where('p.income >= :income', { income })
    expect(await from(50_000).getRawMany()).toHaveLength(BUCKET)
    await expect(from(50_001).getRawMany()).rejects.toMatchObject({ code: 'ERR_QUERY_UNSUPPORTED' })
    expect(await from(50_001).getCount()).toBe(BUCKET - 1)
  })

  it('a list in text sends its values once, however often the statement names it', async () => {
    const { subscribers } = setup.dataSource
    const ids = [1, 2, 3, 4, 5].map((id) => id * 111)
    const some = () =>
      people()
        .createQueryBuilder('p')
        .where('p.id IN (:...ids)', { ids })
        .andWhere('p.income > 5050')
        .orderBy('p.id')
    const sent: unknown[] = []
    subscribers.push({ beforeQuery: ({ parameters }) => void sent.push(parameters) })
    const page = await some().take(3).getMany()
    const count = await some().getCount()
    const exists = await some().getExists()
    subscribers.pop()
    expect([page.map(({ id }) => id), count, exists]).toEqual([ids.slice(0, 3), 5, true])
    expect(sent).toHaveLength(4)
    for (const values of sent as unknown[][]) {
      expect(values.filter((value) => ids.includes(value as number))).toEqual(ids)
    }
  })

  it('exists: none where a bucket lies inside of the range, else the buckets at its ends', async () => {
    const exists = (from: number, to: number) => () =>
      people().existsBy({ income: Between(from, to) })
    expect(await rowsSent(exists(5_050, 34_950))).toEqual([1])
    expect(await exists(5_050, 34_950)()).toBe(true)
    expect(await exists(2_050, 2_950)()).toBe(true)
    expect(await exists(2_010, 2_090)()).toBe(false)
  })

  it('exists opens some rows first, and the others where none of them matches', async () => {
    const exists = (from: number, to: number) => () =>
      people().existsBy({ income: Between(from, to) })
    expect(await rowsSent(exists(2_050, 12_050))).toEqual([100])
    expect(await rowsSent(exists(9_910, 9_990))).toEqual([100, BUCKET])
    expect(await rowsSent(exists(60_000, 70_000))).toEqual([1])
  })

  it('exists asks nothing that no row can answer: tokens with bits, and prefixes', async () => {
    const abel = () => people().existsBy({ surname: 'Abel' })
    expect(await rowsSent(abel)).toHaveLength(1)
    expect(await abel()).toBe(true)
    const plain = () => people().existsBy([{ surname: 'Nobody' }, { ward: 'B' }])
    expect(await rowsSent(plain)).toEqual([1])
    expect(await plain()).toBe(true)
  })
})

it('maxRefine is the number of rows that may be opened beyond the page', async () => {
  const twoEnds = { income: Between(5_050, 34_950) }
  const page = { order: { income: 'ASC' }, skip: 290, take: 20 } as const
  expect(await people().countBy(twoEnds)).toBe(299)
  await expect(people(narrow).countBy(twoEnds)).rejects.toMatchObject({
    code: 'ERR_REFINE_LIMIT',
    field: 'Person.income',
  })
  // A page of 20 in two buckets opens 180 rows beyond itself.
  expect(await people(narrow).find(page)).toHaveLength(20)
  const all = () =>
    people(narrow).find({ where: { income: MoreThan(-1) }, order: { income: 'ASC' } })
  expect(await all()).toHaveLength(ROWS)
})

describe('rows of a page without an order', () => {
  const income = Between(5_050, 34_950)

  it('are those that need no opening, where these fill it', async () => {
    expect(await rowsSent(() => people().find({ where: { income }, take: 20 }))).toEqual([20])
    const later = { where: { income }, skip: 2 * BUCKET - 20, take: 20 }
    expect(await rowsSent(() => people().find(later))).toEqual([20])
  })

  it.each([7, 50, 150])('come once each, page by page of %i', async (take) => {
    const ids: number[] = []
    for (let skip = 0; skip < 299; skip += take) {
      for (const { id } of await people().find({ where: { income }, skip, take })) ids.push(id)
    }
    expect(ids).toHaveLength(299)
    expect(new Set(ids).size).toBe(299)
    expect(await people().find({ where: { income }, skip: 299, take })).toEqual([])
  })

  it('are heard of once by listeners', async () => {
    const { subscribers } = setup.dataSource
    const heard: number[] = []
    subscribers.push({ afterLoad: ({ id }: Person) => void heard.push(id) })
    const page = await people().find({ where: { income }, skip: 2 * BUCKET - 10, take: 20 })
    subscribers.pop()
    expect(heard).toEqual(page.map(({ id }) => id))
    expect(heard).toHaveLength(20)
  })

  it('are not taken for right where a value contradicts its bucket', async () => {
    const { dataSource } = setup
    const runner = dataSource.createQueryRunner()
    await runner.startTransaction()
    await runner.query('UPDATE person SET income_lofi = 20000 WHERE income_lofi = 50000')
    const page = runner.manager.find(Person, { where: { income }, take: 2 * BUCKET })
    await expect(page).rejects.toMatchObject({ code: 'ERR_INDEX_MISMATCH', field: 'Person.income' })
    await runner.rollbackTransaction()
    await runner.release()
  })
})

it('a value whose index is missing is opened, and neither counted nor dropped unseen', async () => {
  const runner = setup.dataSource.createQueryRunner()
  await runner.startTransaction()
  await runner.query('UPDATE person SET surname_hmac = NULL, surname_lofi = NULL WHERE id < 12')
  const count = (where: FindOptionsWhere<Person>) => runner.manager.countBy(Person, where)
  expect(await count({ surname: Not('Abel') })).toBe(5 * BUCKET)
  expect(await count({ ward: 'A', surname: Not(Like('Abr%')) })).toBe(3 * BUCKET)
  await runner.rollbackTransaction()
  await runner.release()
})

/** The first statement in the log as it runs, by indexes: a table this small is read faster without. */
async function planRun({ dataSource, log }: Setup, parameters?: unknown[]): Promise<string> {
  const [statement] = (log[0] as string).split(' -- ')
  const runner = dataSource.createQueryRunner()
  await runner.startTransaction()
  await runner.query('SET LOCAL enable_seqscan = off')
  const [plan] = await runner.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${statement}`, parameters)
  await runner.rollbackTransaction()
  await runner.release()
  return JSON.stringify(plan)
}

/** What the steps of a plan say under a name. */
function numbersIn(plan: string, name: string): number[] {
  return [...plan.matchAll(new RegExp(`"${name}":\\s*([\\d.]+)`, 'g'))].map(([, n]) => Number(n))
}

/** The most rows that a step of the first statement in the log gives. */
async function mostRowsRead(one: Setup): Promise<number> {
  const rows = numbersIn(await planRun(one), 'Actual Rows')
  expect(rows.length).toBeGreaterThan(3)
  return Math.max(...rows)
}

it('a count asks the index alone for what is inside of the range, and reads the ends of it', async () => {
  setup.log.length = 0
  await people().countBy({ income: Between(5_050, 44_950) })
  const plan = await planRun(setup, [0, 40_000])
  expect(plan).toContain('Index Only Scan')
  const leftOut = numbersIn(plan, 'Rows Removed by Filter').filter((rows) => rows > 0)
  expect(leftOut).toEqual([])
})

it('a page without an order does not look for rows to open where others fill it', async () => {
  setup.log.length = 0
  const options = { where: { income: Between(5_050, 44_950) }, relations: { pets: true }, take: 20 }
  expect(await rowsSent(() => people().find(options))).toEqual([20, 20])
  const rows = numbersIn(await planRun(setup, [0, 40_000]), 'Actual Rows')
  expect(Math.max(...rows)).toBeLessThanOrEqual(21)
})

it('an ordered page reads down to the bucket in which it ends, not the table', async () => {
  setup.log.length = 0
  await people().find({ order: { income: 'ASC' }, skip: 50, take: 20 })
  expect(await mostRowsRead(setup)).toBeLessThanOrEqual(BUCKET + 1)
})

it('a page over a to-many relation is not refused for joined rows that need no opening', async () => {
  const pets = setup.dataSource.getRepository(Pet)
  const weights = Array.from({ length: ROWS }, (_, id) => (id % 2 ? 12 : 22))
  await pets.insert(weights.map((weight, id) => ({ id, name: 'Rex', weight, owner: { id } })))
  const page = (weight: number) =>
    people(narrow).find({ where: { pets: { weight: MoreThan(weight) } }, skip: 250, take: 5 })
  expect(await page(8)).toHaveLength(5)
  await expect(page(12)).rejects.toMatchObject({ code: 'ERR_REFINE_LIMIT', field: 'Pet.weight' })
  await pets.clear()
})

it('a page that is refused reads no more than it may, however full its bucket is', async () => {
  const limits = { secret: setup.secret, maxRefine: 30 }
  const strict = await setUp(database.url, [Person, Pet], { synchronize: false }, limits)
  strict.log.length = 0
  const page = people(strict).find({ order: { income: 'ASC' }, take: 20 })
  await expect(page).rejects.toMatchObject({ code: 'ERR_REFINE_LIMIT', field: 'Person.income' })
  expect(await mostRowsRead(strict)).toBeLessThanOrEqual(20 + 30 + 1)
  await strict.dataSource.destroy()
})
