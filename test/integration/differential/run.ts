import { Client } from 'pg'
import type { ObjectLiteral } from 'typeorm'
import { type BuilderQuery, drawBuilder, runBuilder } from './builders'
import { compareTwins, shown, type Verdict } from './compare'
import { type EntityShape, type Graph, keysOf, pathsOf, propertyNames } from './graph'
import { drawFind, type FindQuery, runFind } from './queries'
import type { Random } from './random'
import { rowsOf, type State, stateOf, strayIndexes } from './state'
import { startTwin, type Twin } from './twins'
import { knowsEquality } from './values'
import { runWrite, type Write } from './writes'

/** A graph in two schemas: encrypted, and in clear. */
export interface Pair {
  readonly graph: Graph
  readonly sealed: Twin
  readonly clear: Twin
  close(): Promise<void>
}

export type Tally = Record<Verdict, number>

export const emptyTally = (): Tally => ({
  answered: 0,
  'failed-alike': 0,
  refused: 0,
  'clear-failed': 0,
})

export async function startPair(graph: Graph, url: string, name: string): Promise<Pair> {
  await createSchemas(url, [`${name}_sealed`, `${name}_clear`])
  const sealed = await startTwin(graph, url, `${name}_sealed`, false)
  const clear = await startTwin(graph, url, `${name}_clear`, true)
  const close = async () => {
    await sealed.dataSource.destroy()
    await clear.dataSource.destroy()
  }
  return { graph, sealed, clear, close }
}

async function createSchemas(url: string, names: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  for (const name of names) await client.query(`CREATE SCHEMA "${name}"`)
  await client.end()
}

/**
 * Runs a write on both, and compares what it tells and every row afterwards.
 *
 * @param history - what was written before, for the failure
 */
export async function writeBoth(
  pair: Pair,
  write: Write,
  history: readonly Write[],
): Promise<{ verdict: Verdict; state: State }> {
  const { graph, sealed, clear } = pair
  const names = propertyNames(graph)
  const show = () =>
    `graph ${shown(graph)}\nbefore ${shown(history.slice(-6))}\nwrite ${shown(write)}`
  const run = (inClear: boolean) => {
    const twin = inClear ? clear : sealed
    return runWrite(write, twin, twin.dataSource.manager)
  }
  const verdict = await compareTwins({ run, properties: names, show, strict: true })
  let state: State = {}
  const states = async (inClear: boolean) => {
    const one = await stateOf(graph, inClear ? clear : sealed)
    if (inClear) state = one
    return one
  }
  await compareTwins({
    ...{ run: states, properties: names, strict: true },
    show: () => `rows after (${verdict})\n${show()}`,
  })
  const stray = await strayIndexes(sealed)
  if (stray.length > 0)
    throw new Error(`index columns of other rows than their values: ${stray}\n${show()}`)
  if (verdict === 'refused') await alignSequences(pair)
  return { verdict, state }
}

/** What was refused halfway may have drawn a key that the other twin never drew. */
let aligned = 1
async function alignSequences({ graph, sealed, clear }: Pair): Promise<void> {
  aligned++
  for (const { name, key } of graph.entities) {
    if (key !== 'increment') continue
    for (const { dataSource, schema } of [sealed, clear]) {
      const table = `"${schema}"."${name.toLowerCase()}"`
      await dataSource.query(`SELECT setval(pg_get_serial_sequence($1, 'id'), $2)`, [
        table,
        aligned * 1000,
      ])
    }
  }
}

/** Runs a query on both. */
export async function askBoth({ graph, sealed, clear }: Pair, query: Query): Promise<Verdict> {
  const run = (inClear: boolean) => {
    const twin = inClear ? clear : sealed
    return query.kind === 'find' ? runFind(query, twin) : runBuilder(query, twin)
  }
  const show = () => `graph ${shown(graph)}\nquery ${shown(query)}`
  return compareTwins({ run, properties: propertyNames(graph), show, strict: false })
}

/**
 * Asks for every value of every property that knows equality: what was written is found again, through
 * index columns that were written along with it.
 */
export async function askForValues(pair: Pair): Promise<void> {
  const { graph, clear } = pair
  for (const shape of graph.entities) {
    const rows = await rowsOf(clear, shape)
    for (const [path, property] of pathsOf(shape)) {
      if (!property.sealed || !knowsEquality(property)) continue
      const values = rows.map((row) => valueAt(row, path)).filter((value) => value != null)
      const texts = new Map(values.map((value) => [shown(value), value]))
      for (const value of [...texts.values()].slice(0, 4)) {
        const tests = { [path]: { op: 'value', values: [value] } } as const
        const verdict = await askBoth(pair, {
          ...everything(shape),
          where: [{ ...nothing, tests }],
        })
        const mayRefuse = graph.maxRefine !== undefined
        if (verdict === 'answered' || (verdict === 'refused' && mayRefuse)) continue
        throw new Error(`${path} of ${shown(value)}: ${verdict}`)
      }
    }
  }
}

const nothing = { tests: {}, related: {}, absent: [] }

const everything = (shape: EntityShape): FindQuery => ({
  ...{ kind: 'find', entity: shape.name, child: false, verb: 'find', where: [], relations: {} },
  order: Object.fromEntries(keysOf(shape).map((key) => [key, 'ASC'])),
  ...{ skip: undefined, take: undefined, select: undefined, withDeleted: true, strategy: 'join' },
  ...{ relationIds: false, cache: false, lock: false },
})

function valueAt(row: ObjectLiteral, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as ObjectLiteral)?.[name], row)
}

export type Query = FindQuery | BuilderQuery

export function drawQuery(random: Random, graph: Graph): Query {
  return random.chance(0.5) ? drawFind(random, graph) : drawBuilder(random, graph)
}
