import fc from 'fast-check'
import {
  Between,
  type FindManyOptions,
  In,
  IsNull,
  LessThan,
  Like,
  MoreThanOrEqual,
  Not,
} from 'typeorm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { generateRootKey } from '../../../src'
import { adopt } from '../../../src/rotation'
import { createDatabase, type TestDatabase } from '../../database'
import { type Person, startVersion, type Version } from './people'
import { type Instance as AnyInstance, migrate } from './start-instance'

type Instance = AnyInstance<Person>

const SLOW = process.env.SLOW === '1'
const RUNS = { numRuns: SLOW ? 400 : 5 }
const secret = generateRootKey()
const databases: TestDatabase[] = []
const instances = new Map<Version, Instance>()
let twin: Instance

beforeAll(async () => {
  databases.push(await createDatabase(), await createDatabase())
  const [own, other] = databases as [TestDatabase, TestDatabase]
  twin = await startVersion(other.url, 'before', secret, { synchronize: true })
  instances.set('before', await startVersion(own.url, 'before', secret, { synchronize: true }))
})

afterAll(async () => {
  for (const { dataSource } of [twin, ...instances.values()]) await dataSource?.destroy()
  for (const database of databases) await database.drop()
})

async function start(version: Version): Promise<Instance> {
  const instance = await startVersion((databases[0] as TestDatabase).url, version, secret)
  instances.set(version, instance)
  return instance
}

async function stop(version: Version): Promise<void> {
  await instances.get(version)?.dataSource.destroy()
  instances.delete(version)
}

const ids = fc.integer({ min: 1, max: 9 })
const nullable = <T>(values: readonly T[]) => fc.constantFrom(null, ...values)
const VALUES = {
  ward: ['A', 'B'],
  income: [-1, 0, 9_999.5, 10_000, 25_000],
  born: ['1899-12-31', '1950-01-31', '1950-02-01', '2000-02-29'],
  seen: [new Date('1999-12-31T23:59:59.999Z'), new Date('2000-01-01T00:00:00Z')],
  smoker: [true, false],
  chart: [{ b: 1, a: [0, ''] }, {}, [], 0, false, ''],
} as const
const emails = fc.constantFrom(null, '', 'a', 'ab', 'b')

const change = fc.record(
  {
    ward: nullable(VALUES.ward),
    email: emails,
    income: nullable(VALUES.income),
    born: nullable(VALUES.born),
    seen: nullable(VALUES.seen),
    smoker: nullable(VALUES.smoker),
    chart: nullable(VALUES.chart),
  },
  { requiredKeys: [] },
)
const write = fc.oneof(
  fc.record({ kind: fc.constantFrom('save', 'resave', 'upsert', 'update'), id: ids, change }),
  fc.record({ kind: fc.constant('delete'), id: ids, change: fc.constant({}) }),
)
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never

/** One value is one person's alone: the token of an e-mail address is unique. */
function ownEmail({ id, change }: Write): Partial<Person> {
  const { email } = change as Partial<Person>
  return email === null || email === undefined ? change : { ...change, email: `${email}${id}` }
}

async function apply({ dataSource, entity }: Instance, one: Write): Promise<void> {
  const repository = dataSource.getRepository(entity)
  const { id } = one
  const change = ownEmail(one) as object
  if (one.kind === 'delete') await repository.delete({ id })
  else if (one.kind === 'upsert') await repository.upsert({ id, ...change }, ['id'])
  else if (one.kind === 'save') await repository.save({ id, ...change })
  else if (Object.keys(change).length === 0) return
  else if (one.kind === 'update') await repository.update({ id }, change)
  else {
    const loaded = await repository.findOneBy({ id })
    if (!loaded) return
    const saved = await repository.save(Object.assign(loaded, change))
    await repository.save(saved)
  }
}

const condition = fc.oneof(
  fc
    .constantFrom(...VALUES.income)
    .chain((income) =>
      fc.constantFrom(
        { income },
        { income: MoreThanOrEqual(income) },
        { income: Not(LessThan(income)) },
        { income: Between(0, income) },
      ),
    ),
  fc.constantFrom(...VALUES.born).map((born) => ({ born: In([born]) })),
  fc.constantFrom(...VALUES.seen).map((seen) => ({ seen: LessThan(seen) })),
  fc.constantFrom({ smoker: false }, { smoker: IsNull() }, { chart: Not(IsNull()) }),
  fc.constantFrom({ email: Like('a%') }, { email: 'ab3' }, { email: Not('a1') }),
)
const query = fc.record({
  where: fc.array(condition, { maxLength: 2 }),
  order: fc.constantFrom({}, { income: 'DESC' }, { born: 'ASC' }, { email: 'ASC' }),
  take: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  select: fc.constantFrom(undefined, { id: true, email: true, seen: true }),
})
type Query = typeof query extends fc.Arbitrary<infer T> ? T : never

async function ask({ dataSource, entity }: Instance, asked: Query): Promise<unknown> {
  const { where, order, ...page } = asked
  const options = { where, order: { ...order, id: 'ASC' }, ...page } as FindManyOptions<Person>
  const [people, count] = await dataSource.getRepository(entity).findAndCount(options)
  return { count, people: people.map((person) => ({ ...person })) }
}

/** Any of the versions writes, and each of them answers as the twin in clear does. */
async function expectSameAnswers(versions: readonly Version[]): Promise<void> {
  const running = versions.map((version) => instances.get(version) as Instance)
  const step = fc.record({ by: fc.nat(versions.length - 1), write })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), query, async (steps, asked) => {
      for (const { by, write } of steps) {
        await apply(running[by] as Instance, write)
        await apply(twin, write)
      }
      const right = await ask(twin, asked)
      for (const [i, instance] of running.entries()) {
        expect({ version: versions[i], ...((await ask(instance, asked)) as object) }).toEqual({
          version: versions[i],
          ...(right as object),
        })
      }
    }),
    RUNS,
  )
}

it('answers as in clear in every state, with the version before beside', {
  timeout: 600_000,
}, async () => {
  await expectSameAnswers(['before'])

  const dual = await start('dual')
  await migrate(dual.dataSource)
  await expectSameAnswers(['before', 'dual'])

  const filled = await adopt(dual.dataSource, { to: 'backfilled' })
  expect(filled).toMatchObject({
    failedCount: 0,
    skipped: 0,
    states: { 'Person.email': 'backfilled' },
  })
  await start('backfilled')
  await expectSameAnswers(['before', 'dual', 'backfilled'])
  await stop('before')
  await stop('dual')

  const backfilled = instances.get('backfilled') as Instance
  const verified = await adopt(backfilled.dataSource, { to: 'verified' })
  expect(verified).toMatchObject({
    failedCount: 0,
    skipped: 0,
    states: { 'Person.email': 'verified' },
  })
  await migrate((await start('verified')).dataSource)
  await expectSameAnswers(['backfilled', 'verified'])
  await stop('backfilled')

  const again = instances.get('verified') as Instance
  await adopt(again.dataSource, { to: 'sealed' })
  const sealed = await start('sealed')
  await expectSameAnswers(['verified', 'sealed'])
  await stop('verified')

  await adopt(sealed.dataSource, { to: 'sealed' })
  await expectSameAnswers(['sealed'])
  await migrate((await start('after')).dataSource)
  await expectSameAnswers(['sealed', 'after'])
})
