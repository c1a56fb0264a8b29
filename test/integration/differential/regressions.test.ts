import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../../database'
import type { BuilderQuery } from './builders'
import type { EntityShape, Graph } from './graph'
import type { FindQuery } from './queries'
import { askBoth, type Pair, startPair, writeBoth } from './run'
import type { Property } from './values'

// What random graphs, writes and queries have found, each cut down to what it takes.

let database: TestDatabase
let pair: Pair | undefined

beforeAll(async () => {
  database = await createDatabase()
  pair = await startPair(graph, database.url, 'found')
  const items = [1, 2, 3, 4].map((id) => ({ entity: 'Alpha', values: { id, p0: id * 6, p1: id } }))
  await writeBoth(pair, { op: 'insert', items, array: true }, [])
})

afterAll(async () => {
  await pair?.close()
  await database?.drop()
})

const plain = { nullable: true, select: true, unique: false, folded: false }
const number = (name: string, sealed: Property['sealed']): Property => ({
  ...{ ...plain, name, type: 'number' },
  sealed: sealed && { type: 'number', nullable: true, ...sealed },
})
const shape: EntityShape = {
  ...{ name: 'Alpha', key: 'int', embedded: [], softDelete: false, version: false },
  ...{ tenant: false, uniqueTogether: undefined },
  properties: [number('p0', { range: { step: 10 } }), number('p1', undefined)],
  child: undefined,
}
const owned: EntityShape = {
  ...{ ...shape, name: 'Beta', tenant: true },
  properties: [number('p2', { subject: 'tenant', exact: true })],
}
const graph: Graph = {
  ...{ entities: [shape, owned], relations: [] },
  ...{ maxRefine: undefined, isolateWhereStatements: false },
}

const builderQuery: BuilderQuery = {
  ...{
    kind: 'builder',
    entity: 'Alpha',
    verb: 'getManyAndCount',
    select: undefined,
    joins: [],
    clauses: [],
  },
  ...{
    order: { 'e.id': 'ASC' },
    skip: undefined,
    take: undefined,
    limit: undefined,
    withDeleted: false,
  },
}

describe('objects without conditions in query builders', () => {
  const range = { kind: 'object', tests: { p0: { op: '>', values: [13] } } } as const
  const nothing = { kind: 'object', tests: {} } as const

  it.each([
    ['an OR', [range, nothing]],
    [
      'an OR in brackets',
      [range, { kind: 'brackets', clauses: [{ call: 'where', condition: nothing }] }],
    ],
    ['an OR, first', [nothing, range]],
  ] as const)('match all rows beside %s', async (_, conditions) => {
    const clauses = conditions.map((condition) => ({ call: 'orWhere' as const, condition }))
    expect(await askBoth(pair as Pair, { ...builderQuery, clauses })).toBe('answered')
  })
})

const findQuery: FindQuery = {
  ...{ kind: 'find', entity: 'Alpha', child: false, verb: 'find', where: [], relations: {} },
  ...{ order: { id: 'ASC' }, skip: undefined, take: undefined, select: undefined },
  ...{ withDeleted: false, strategy: 'join', relationIds: false, cache: false, lock: false },
}

describe('a lock', () => {
  it('of rows that are sorted by plain and encrypted properties', async () => {
    const order = { p1: 'DESC', p0: 'ASC', id: 'ASC' } as const
    expect(await askBoth(pair as Pair, { ...findQuery, order, lock: true })).toBe('answered')
  })
})

describe('limit() and offset() beside skip() and take()', () => {
  it.each([[{ limit: 2, skip: 1, take: 1 }], [{ skip: 1, take: 2 }]])('%o', async (page) => {
    const order = { 'e.p0': 'DESC' } as const
    expect(await askBoth(pair as Pair, { ...builderQuery, order, ...page })).toBe('answered')
  })
})

describe('a save of several rows', () => {
  it('changes none where one is refused while the values of another are sealed', async () => {
    const row = (id: number, p2: number | undefined, tenant: string) => ({
      ...{ entity: 'Beta', values: { id, tenant, ...(p2 !== undefined && { p2 }) } },
    })
    const before = [row(1, 1, 't1'), row(2, 2, 't1')]
    await writeBoth(pair as Pair, { op: 'insert', items: before, array: true }, [])
    const items = [row(1, 5, 't1'), row(2, undefined, 't2')]
    const { verdict } = await writeBoth(pair as Pair, { op: 'save', items, array: true }, [])
    expect(verdict).toBe('refused')
  })
})
