import { In, IsNull, LessThan, Like, MoreThanOrEqual, Not, Between as Within } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../../src'
import { reindex, rotateKek } from '../../../src/rotation'
import { createDatabase, type TestDatabase } from '../../database'
import {
  After,
  type Application,
  Before,
  Between,
  fieldsOf,
  type Row,
  start,
  step,
} from './versions'

const secret = generateRootKey()
let database: TestDatabase
let before: Application
let between: Application
const applications: Application[] = []

async function begin(entity: new () => object, options = {}): Promise<Application> {
  const application = await start(database.url, secret, entity, options)
  applications.push(application)
  return application
}

beforeAll(async () => {
  database = await createDatabase()
  before = await begin(Before, { synchronize: true })
})

afterAll(async () => {
  for (const { dataSource } of applications) {
    if (dataSource.isInitialized) await dataSource.destroy()
  }
  await database?.drop()
})

const NAMES = ['Abel', 'Abt', 'Adam', 'Bo', 'Bea', 'Cy']
const rows = new Map<number, Row>()
let nextId = 1

function newRow(id = nextId++): Row {
  return {
    id,
    email: `p${id}-${Math.random()}@example.com`,
    income: id % 7 === 0 ? null : (id * 37) % 500,
    city: id % 5 === 0 ? null : ['Rome', 'Bonn', 'Oslo'][id % 3]!,
    name: NAMES[id % NAMES.length]!,
  }
}

/** Writes as an application does: rows that are new, and changes of old ones. */
async function write({ dataSource }: Application): Promise<void> {
  const [entity] = dataSource.options.entities as [new () => Row]
  const people = dataSource.getRepository(entity)
  const row = newRow()
  await people.save(people.create(row))
  rows.set(row.id, row)
  const [old] = [...rows.values()].filter(({ id }) => id % 3 === nextId % 3)
  if (!old) return
  const changed = { email: `c${Math.random()}@example.com`, income: (old.income ?? 0) + 31 }
  await people.update(old.id, changed)
  rows.set(old.id, { ...old, ...changed })
}

/** Asks every kind of question; each answer must be the one that plaintext gives. */
async function check({ dataSource }: Application, asksCity: boolean): Promise<void> {
  const [entity] = dataSource.options.entities as [new () => Row]
  const people = dataSource.getRepository(entity)
  const all = [...rows.values()]
  const ids = (test: (row: Row) => boolean) => all.filter(test).map(({ id }) => id)
  const found = async (where: object) =>
    (await people.find({ where, order: { id: 'ASC' } })).map(({ id }) => id)
  const some = all.filter(({ id }) => id % 4 === 1)
  for (const { id, email } of some.slice(-3)) expect(await found({ email })).toEqual([id])
  expect(await found({ email: In(some.map(({ email }) => email)) })).toEqual(
    some.map(({ id }) => id).sort((a, b) => a - b),
  )
  const expectIds = async (where: object, test: (row: Row) => boolean) =>
    expect(await found(where)).toEqual(ids(test).sort((a, b) => a - b))
  await expectIds({ email: Not(all[0]!.email) }, (row) => row !== all[0])
  await expectIds(
    { income: Within(95, 215) },
    ({ income }) => income !== null && income >= 95 && income <= 215,
  )
  await expectIds({ income: LessThan(90) }, ({ income }) => income !== null && income < 90)
  await expectIds(
    { income: MoreThanOrEqual(300) },
    ({ income }) => income !== null && income >= 300,
  )
  await expectIds({ income: IsNull() }, ({ income }) => income === null)
  await expectIds({ name: 'Abel' }, ({ name }) => name === 'Abel')
  await expectIds({ name: Like('Ab%') }, ({ name }) => name.startsWith('Ab'))
  expect(await people.countBy({ income: MoreThanOrEqual(120) })).toBe(
    ids(({ income }) => income !== null && income >= 120).length,
  )
  if (asksCity) await expectIds({ city: 'Rome' }, ({ city }) => city === 'Rome')
  const page = await people.find({ order: { income: 'DESC', id: 'ASC' }, skip: 2, take: 7 })
  const sorted = all.toSorted((a, b) => (b.income ?? 1e9) - (a.income ?? 1e9) || a.id - b.id)
  expect(page.map(({ id }) => id)).toEqual(sorted.slice(2, 9).map(({ id }) => id))
  const text = await people
    .createQueryBuilder('p')
    .where('p.email = :email AND p.name = :name', { email: all[1]!.email, name: all[1]!.name })
    .getMany()
  expect(text.map(({ id }) => id)).toEqual([all[1]!.id])
}

/** Nothing that its columns would answer wrong is answered; what needs no index still is. */
async function expectLeft({ dataSource }: Application, state: string): Promise<void> {
  const people = dataSource.getRepository(Before)
  const [{ id, email }] = [...rows.values()] as [Row]
  const builder = people.createQueryBuilder('p').select('COUNT(DISTINCT p.email)', 'n')
  for (const asked of [
    () => people.find({ order: { income: 'ASC' }, take: 5 }),
    () => people.find({ where: { income: LessThan(90) } }),
    () => people.createQueryBuilder('p').where('p.name LIKE :begin', { begin: 'A%' }).getCount(),
    // In the end a new key alone leaves nothing that the former declaration could miss.
    ...(state === 'done' ? [] : [() => people.findOneBy({ email }), () => builder.getRawOne()]),
  ]) {
    const asking = (async () => asked())()
    await expect(asking).rejects.toMatchObject({ code: 'ERR_INDEX_CHANGED' })
  }
  expect(await people.findOneBy({ id })).toMatchObject({ email })
}

async function expectTaken({ dataSource }: Application, email: string): Promise<void> {
  const [entity] = dataSource.options.entities as [new () => Row]
  const people = dataSource.getRepository(entity)
  const error: Error = await people.insert({ ...newRow(), email }).catch((caught) => caught)
  expect(error.message).toMatch(/unique/)
  expect((error as { detail?: string }).detail).toMatch(/encrypted \w+\.email already exists/)
}

describe('reindex, one step after the other', () => {
  it('answers every question right in every state, to the versions that may ask it', async () => {
    for (let i = 0; i < 20; i++) await write(before)
    await check(before, false)
    between = await begin(Between, { synchronize: true })
    await write(between)
    await check(between, false)
    expect((await fieldsOf(between)).map(({ state }) => state)).toEqual([
      'done',
      'unchanged',
      'unchanged',
      'unchanged',
    ])
    const { keyId, previousKeyId } = await rotateKek(between.keyring, { purpose: 'index' })
    const states: string[] = []
    for (let state = 'unchanged'; state !== 'done'; ) {
      const taken = await step(between)
      state = taken.state
      states.push(state)
      expect(taken.report?.failedCount ?? 0).toBe(0)
      const isRead = ['required', 'written', 'filled', 'asked'].includes(state)
      // The first statement of a process that knows the state before.
      if (!isRead) await expectLeft(before, state)
      await expect(write(before)).rejects.toMatchObject({ code: 'ERR_INDEX_CHANGED' })
      await write(between)
      await check(
        between,
        ['asked', 'left', 'copied', 'settled', 'released', 'emptied', 'done'].includes(state),
      )
      if (isRead) await check(before, false)
      await expectTaken(between, [...rows.values()][3]!.email)
      if (state === 'required' || state === 'emptied') {
        await expect(start(database.url, secret, After)).rejects.toMatchObject({
          code: 'ERR_INDEX_CHANGED',
        })
      }
    }
    expect(states).toEqual([
      'required',
      'written',
      'filled',
      'asked',
      'left',
      'copied',
      'settled',
      'released',
      'emptied',
      'done',
    ])
    const [email] = await fieldsOf(between)
    expect(email).toMatchObject({ next: null, active: { generation: 2, indexKeyId: keyId } })
    expect(previousKeyId).not.toBe(keyId)
  })

  it('ends with the version that declares the new index alone', async () => {
    const after = await begin(After)
    for (let i = 0; i < 3; i++) {
      await write(after)
      await write(between)
    }
    await check(after, true)
    await check(between, true)
    expect((await reindex(between.dataSource)).fields.map(({ state }) => state)).toEqual(
      Array(4).fill('done'),
    )
    await between.dataSource.destroy()
    await after.dataSource.synchronize()
    const columns = await after.dataSource.query(
      `SELECT column_name FROM information_schema.columns WHERE table_name = 'person' ORDER BY 1`,
    )
    expect(columns.map((row: { column_name: string }) => row.column_name)).toEqual([
      'city',
      'city_hmac',
      'email',
      'email_hmac',
      'id',
      'income',
      'income_lofi',
      'name',
      'name_hmac',
      'name_lofi',
    ])
    await write(after)
    await check(after, true)
    await expectTaken(after, [...rows.values()][3]!.email)
  })
})
