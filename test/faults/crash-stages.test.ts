import { setTimeout } from 'node:timers/promises'
import { And, type DataSource, LessThan, MoreThanOrEqual } from 'typeorm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { generateRootKey } from '../../src/providers/in-app'
import { adopt, reindex } from '../../src/rotation'
import { createDatabase, type TestDatabase } from '../database'
import { type Version as Adopting, startVersion } from '../integration/adoption/people'
import { migrate } from '../integration/adoption/start-instance'
import { Random } from '../integration/differential/random'
import { After, Before, Between, type Row, start } from '../integration/reindex/versions'
import { IS_SLOW, SEED } from './chosen'
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy'

// Verbs of several steps lose their connections again and again, each time a number of statements later,
// and are started again until they are through. What they leave is compared with what was there.
const PEOPLE = 40
const CUTS = IS_SLOW ? 60 : 4
const MOST_STATEMENTS = 70
const NAME = 'job that ends'
const JOB = { batchSize: 10, shardRows: 100, leaseSeconds: 60 } as const

let database: TestDatabase
let proxy: CuttingProxy
let watcher: DataSource
const open: DataSource[] = []
const secret = generateRootKey()

beforeEach(async () => {
  database = await createDatabase()
  proxy = await startCuttingProxy(database.url)
})

afterEach(async () => {
  for (const dataSource of open.splice(0)) await dataSource.destroy()
  await proxy.close()
  await database.drop()
})

const kept = (dataSource: DataSource): DataSource => {
  open.push(dataSource)
  return dataSource
}

/** Runs `verb` until it resolves, cut off on the way at least once. */
async function survive(cuts: number, random: Random, verb: () => Promise<unknown>): Promise<void> {
  for (let cut = 0; cut <= cuts; cut++) {
    proxy.arm(
      cut === cuts ? Number.POSITIVE_INFINITY : random.between(1, cut === 0 ? 20 : MOST_STATEMENTS),
    )
    const isThrough = await verb().then(
      () => true,
      (error: unknown) => {
        if (!proxy.isCut) throw error
        return false
      },
    )
    const alive = `SELECT 1 FROM pg_stat_activity WHERE application_name = $1`
    while (proxy.isCut && (await watcher.query(alive, [NAME])).length > 0) await setTimeout(5)
    await watcher.query('UPDATE mortise_job_shard SET lease_until = NULL')
    if (cut === 0) expect(isThrough).toBe(false)
    if (isThrough) break
  }
  // What comes next is not to meet the cut that this verb did not live to see.
  proxy.arm(Number.POSITIVE_INFINITY)
}

const rowOf = (id: number): Row => ({
  id,
  email: `p${id}@example.com`,
  income: id % 7 === 0 ? null : (id * 37) % 500,
  city: id % 5 === 0 ? null : (['Rome', 'Bonn', 'Oslo'][id % 3] as string),
  name: ['Abel', 'Abt', 'Bo'][id % 3] as string,
})

const ids = Array.from({ length: PEOPLE }, (_, i) => i + 1)

it(`reindex is cut off again and again, and every row is found by its new index (SEED=${SEED})`, async () => {
  const before = await start(database.url, secret, Before, { synchronize: true })
  watcher = kept(before.dataSource)
  await watcher.getRepository(Before).insert(ids.map(rowOf))
  const between = await start(proxy.url, secret, Between, {
    synchronize: true,
    applicationName: NAME,
  })
  kept(between.dataSource)
  const all = { ...JOB, contract: true }
  await survive(CUTS, new Random(SEED), () => reindex(between.dataSource, all))
  const report = await reindex(between.dataSource, all)
  expect(report).toMatchObject({ complete: true, jobs: [] })
  expect(new Set(report.fields.map(({ state }) => state))).toEqual(new Set(['done']))
  const after = kept((await start(database.url, secret, After)).dataSource).getRepository(After)
  for (const id of ids) {
    const row = rowOf(id)
    expect(await after.findOneBy({ email: row.email })).toEqual(row)
    const { city, name } = row
    if (city === null) continue
    const alike = ids.map(rowOf).filter((one) => one.city === city && one.name === name)
    expect(await after.find({ where: { city, name }, order: { id: 'ASC' } })).toEqual(alike)
  }
  const [low, high] = [100, 300]
  const income = And(MoreThanOrEqual(low), LessThan(high))
  const within = ids
    .map(rowOf)
    .filter(({ income }) => income !== null && income >= low && income < high)
  expect(await after.find({ where: { income }, order: { id: 'ASC' } })).toEqual(within)
}, 300_000)

it(`adopt is cut off again and again, and no value is lost (SEED=${SEED})`, async () => {
  const random = new Random(SEED)
  const named = { applicationName: NAME }
  const begin = async (version: Adopting, options = {}): Promise<DataSource> =>
    kept((await startVersion(proxy.url, version, secret, options)).dataSource)
  const before = await startVersion(database.url, 'before', secret, { synchronize: true })
  watcher = kept(before.dataSource)
  const people = ids.map((id) => ({
    ...{ id, ward: null, email: `p${id}@example.com`, income: id * 10 },
    ...{ born: '1950-01-31', seen: null, smoker: id % 2 === 0, chart: { id } },
  }))
  await watcher.getRepository(before.entity).insert(people)
  const dual = await begin('dual', named)
  await migrate(dual)
  await survive(CUTS, random, () => adopt(dual, { ...JOB, to: 'backfilled' }))
  await survive(CUTS, random, () => adopt(dual, { ...JOB, to: 'verified' }))
  const verified = await begin('verified', named)
  await survive(CUTS, random, () => adopt(verified, { ...JOB, to: 'sealed' }))
  const [left] = await watcher.query(
    'SELECT count(email)::int + count(income)::int + count(chart)::int AS n FROM person',
  )
  expect(left).toEqual({ n: 0 })
  const { dataSource, entity } = await startVersion(database.url, 'sealed', secret)
  const sealed = kept(dataSource).getRepository(entity)
  expect(await sealed.find({ order: { id: 'ASC' } })).toEqual(people)
  for (const person of people) {
    expect(await sealed.findOneBy({ email: person.email })).toEqual(person)
    expect(await sealed.findOneBy({ income: person.income })).toEqual(person)
  }
}, 300_000)
