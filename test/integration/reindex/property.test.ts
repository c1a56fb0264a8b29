import fc from 'fast-check'
import { In, LessThan, Like, MoreThan, Not, Between as Within } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { generateRootKey } from '../../../src'
import { rotateKek } from '../../../src/rotation'
import { createDatabase } from '../../database'
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

const RUNS = process.env.SLOW ? 40 : 1
const NAMES = ['Abel', 'Abt', 'adam', 'Bo', 'Bö', '']
const CITIES = ['Rome', 'Bonn', null]

/** What one process does between two steps; it is right, or refused where its version may not do it. */
type Act =
  | { kind: 'insert' | 'update' | 'clear' | 'delete'; id: number; income: number; name: string }
  | {
      kind: 'find'
      by: 'email' | 'income' | 'name' | 'city'
      id: number
      income: number
      name: string
    }
  | { kind: 'page' | 'count'; income: number; id: number; name: string }

const act: fc.Arbitrary<Act> = fc.record({
  kind: fc.constantFrom(
    'insert',
    'insert',
    'update',
    'clear',
    'delete',
    'find',
    'find',
    'page',
    'count',
  ),
  by: fc.constantFrom('email', 'income', 'name', 'city'),
  id: fc.integer({ min: 1, max: 12 }),
  income: fc.integer({ min: -120, max: 400 }),
  name: fc.constantFrom(...NAMES),
}) as never

/** Acts of both versions, before each step. */
const story = fc.array(fc.array(fc.tuple(fc.boolean(), act), { maxLength: 8 }), {
  minLength: 11,
  maxLength: 11,
})

const cityOf = (id: number): string | null => CITIES[id % CITIES.length] as string | null

async function perform(
  { dataSource }: Application,
  rows: Map<number, Row>,
  one: Act,
): Promise<void> {
  const [entity] = dataSource.options.entities as [new () => Row]
  const people = dataSource.getRepository(entity)
  const old = rows.get(one.id)
  const found = async (where: object) => (await people.findBy(where)).map(({ id }) => id).sort()
  const ids = (test: (row: Row) => boolean) =>
    [...rows.values()]
      .filter(test)
      .map(({ id }) => id)
      .sort()
  switch (one.kind) {
    case 'insert': {
      const row = {
        id: one.id,
        email: `${one.id}@x`,
        income: one.income,
        city: cityOf(one.id),
        name: one.name,
      }
      await people.save(people.create(row))
      rows.set(one.id, row)
      return
    }
    case 'update': {
      await people.update(one.id, { income: one.income, name: one.name })
      if (old) rows.set(one.id, { ...old, income: one.income, name: one.name })
      return
    }
    case 'clear': {
      await people.update({ email: `${one.id}@x` }, { income: null })
      if (old) rows.set(one.id, { ...old, income: null })
      return
    }
    case 'delete': {
      await people.delete({ email: `${one.id}@x` })
      rows.delete(one.id)
      return
    }
    case 'count': {
      const where = { income: LessThan(one.income), name: Not(one.name) }
      expect(await people.countBy(where)).toBe(
        ids(({ income, name }) => income !== null && income < one.income && name !== one.name)
          .length,
      )
      return
    }
    case 'page': {
      const page = await people.find({ order: { income: 'ASC', id: 'ASC' }, skip: 1, take: 4 })
      const sorted = [...rows.values()].sort(
        (a, b) => (a.income ?? 1e9) - (b.income ?? 1e9) || a.id - b.id,
      )
      expect(page.map(({ id }) => id)).toEqual(sorted.slice(1, 5).map(({ id }) => id))
      return
    }
    default: {
      const high = one.income + 75
      if (one.by === 'email')
        expect(await found({ email: `${one.id}@x` })).toEqual(ids(({ id }) => id === one.id))
      if (one.by === 'income') {
        expect(await found({ income: Within(one.income, high) })).toEqual(
          ids(({ income }) => income !== null && income >= one.income && income <= high),
        )
        expect(await found([{ income: MoreThan(high) }, { name: one.name }])).toEqual(
          ids(({ income, name }) => (income !== null && income > high) || name === one.name),
        )
      }
      if (one.by === 'name') {
        const begin = one.name.slice(0, 2)
        expect(await found({ name: In([one.name, 'Abt']) })).toEqual(
          ids(({ name }) => name === one.name || name === 'Abt'),
        )
        if (begin)
          expect(await found({ name: Like(`${begin}%`) })).toEqual(
            ids(({ name }) => name.startsWith(begin)),
          )
      }
    }
  }
}

/** What a version may not do is refused before anything happens. */
async function attempt(
  application: Application,
  rows: Map<number, Row>,
  one: Act,
  mayFail: boolean,
) {
  try {
    await perform(application, rows, one)
  } catch (error) {
    if (!mayFail || (error as { code?: string }).code !== 'ERR_INDEX_CHANGED') throw error
  }
}

async function live(acts: readonly (readonly (readonly [boolean, Act])[])[]): Promise<void> {
  const database = await createDatabase()
  const secret = generateRootKey()
  const rows = new Map<number, Row>()
  const before = await start(database.url, secret, Before, { synchronize: true })
  for (let id = 1; id <= 6; id++) {
    await perform(before, rows, { kind: 'insert', id, income: id * 61 - 100, name: NAMES[id % 6]! })
  }
  const between = await start(database.url, secret, Between, { synchronize: true })
  await rotateKek(between.keyring, { purpose: 'index' })
  let state = 'unchanged'
  for (const aroundStep of acts) {
    for (const [isOld, one] of aroundStep) {
      await attempt(isOld ? before : between, rows, one, isOld && state !== 'unchanged')
    }
    if (state !== 'done') state = (await step(between, { batchSize: 3 })).state
  }
  expect((await fieldsOf(between)).map((field) => field.state)).toEqual(Array(4).fill('done'))
  const after = await start(database.url, secret, After)
  for (const [, one] of acts.flat()) await perform(after, rows, one)
  for (const { dataSource } of [before, between, after]) await dataSource.destroy()
  await database.drop()
}

describe('any acts of two versions, around every step of a reindex', () => {
  it(
    'give what the same acts give on plain values',
    async () => {
      await fc.assert(fc.asyncProperty(story, live), { numRuns: RUNS, endOnFailure: true })
    },
    RUNS * 60_000,
  )
})
