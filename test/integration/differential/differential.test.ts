import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../../database'
import { shown } from './compare'
import { drawWrite } from './draw-writes'
import { drawGraph } from './graph'
import { Random } from './random'
import { askBoth, askForValues, drawQuery, emptyTally, startPair, writeBoth } from './run'
import { stateOf } from './state'
import type { Write } from './writes'

const SLOW = process.env.SLOW === '1'
const GRAPHS = Number(process.env.GRAPHS ?? (SLOW ? 300 : 14))
const WRITES = SLOW ? 120 : 40
const QUERIES = SLOW ? 300 : 60
/** The runs of every day are the same; a long one looks for something new. */
const FIRST_SEED = Number(process.env.SEED ?? (SLOW ? Date.now() % 2 ** 31 : 1))
const seeds = Array.from({ length: GRAPHS }, (_, index) => FIRST_SEED + index)

let database: TestDatabase
const writes = emptyTally()
const queries = emptyTally()

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  await database?.drop()
  if (process.env.TALLY) console.log('writes', writes, 'queries', queries)
})

describe('an encrypted graph of entities behaves as the same one in clear', () => {
  it.each(seeds)('seed %i', { timeout: 600_000 }, async (seed) => {
    const random = new Random(seed)
    const graph = drawGraph(random)
    const pair = await startPair(graph, database.url, `case_${seed}`)
    try {
      const history: Write[] = []
      let state = await stateOf(graph, pair.clear)
      for (let count = 0; count < WRITES; count++) {
        const write = drawWrite(random, graph, state)
        const done = await writeBoth(pair, write, history)
        history.push(write)
        writes[done.verdict]++
        state = done.state
      }
      await askForValues(pair)
      for (let count = 0; count < QUERIES; count++) {
        queries[await askBoth(pair, drawQuery(random, graph))]++
      }
    } finally {
      await pair.close()
    }
  })

  it('answered nine of ten that TypeORM answers in clear', () => {
    const all = Object.values(queries).reduce((sum, count) => sum + count, 0)
    expect(all, shown(queries)).toBe(GRAPHS * QUERIES)
    const answerable = all - queries['clear-failed']
    expect(queries.answered / answerable, shown(queries)).toBeGreaterThan(0.9)
    expect(answerable / all, shown(queries)).toBeGreaterThan(0.9)
  })
})
