import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../../database'
import type { BuilderQuery } from './builders'
import type { EntityShape, Graph } from './graph'
import { askBoth, type Pair, startPair, writeBoth } from './run'
import type { Property } from './values'

// What random graphs, writes and queries have found, each cut down to what it takes.

let database: TestDatabase
let pair: Pair | undefined

beforeAll(async () => {
  database = await createDatabase()
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
  properties: [number('p0', { range: { step: 10 } }), number('p1', undefined)],
  child: undefined,
}
const graph: Graph = { entities: [shape], relations: [] }

const builderQuery: BuilderQuery = {
  ...{ kind: 'builder', entity: 'Alpha', verb: 'getManyAndCount', joins: [], clauses: [] },
  ...{ order: { 'e.id': 'ASC' }, skip: undefined, take: undefined, withDeleted: false },
}

describe('objects without conditions in query builders', () => {
  beforeAll(async () => {
    pair = await startPair(graph, database.url, 'objects')
    const items = [1, 2, 3].map((id) => ({ entity: 'Alpha', values: { id, p0: id * 6, p1: id } }))
    await writeBoth(pair, { op: 'insert', items, array: true }, [])
  })

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
