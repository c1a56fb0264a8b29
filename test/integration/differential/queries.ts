import {
  type EntityManager,
  type FindManyOptions,
  type FindOneOptions,
  IsNull,
  type ObjectLiteral,
} from 'typeorm'
import { drawTests, isBeyond, nested, type Tests } from './conditions'
import { askedPaths, type EntityShape, endsOf, type Graph, keysOf, pathsOf, shapeOf } from './graph'
import type { Random } from './random'
import type { Twin } from './twins'
import { knowsOrder } from './values'
import { testFor } from './writes'

/** Conditions on an entity and on related ones. */
export interface WhereTree {
  readonly tests: Tests
  readonly related: Readonly<Record<string, WhereTree>>
  /** To-one relations that must lead nowhere. */
  readonly absent: readonly string[]
}

export type Direction =
  | 'ASC'
  | 'DESC'
  | { readonly direction: 'ASC' | 'DESC'; readonly nulls: 'first' | 'last' }

/** Which relations are loaded: a tree. */
export interface Relations {
  readonly [name: string]: Relations
}

const VERBS = [
  'find',
  'findAndCount',
  'findOne',
  'findOneOrFail',
  'count',
  'exists',
  'sum',
] as const

export interface FindQuery {
  readonly kind: 'find'
  readonly entity: string
  /** Asked for by the child class. */
  readonly child: boolean
  readonly verb: (typeof VERBS)[number]
  readonly where: readonly WhereTree[]
  /** By path, also through to-one relations: `link0.p3`. */
  readonly order: Readonly<Record<string, Direction>>
  readonly skip: number | undefined
  readonly take: number | undefined
  readonly select: readonly string[] | undefined
  readonly relations: Relations
  readonly withDeleted: boolean
  readonly strategy: 'join' | 'query'
  readonly relationIds: boolean
  /** Asked twice, the second time out of the query cache. */
  readonly cache: boolean
  readonly lock: boolean
}

export function drawFind(random: Random, graph: Graph): FindQuery {
  const shape = random.pick(graph.entities)
  const child = shape.child !== undefined && random.chance(0.4)
  const relations = drawRelations(random, graph, shape, 2)
  const isOne = random.chance(0.1)
  const verb = isOne
    ? random.pick(['findOne', 'findOneOrFail'] as const)
    : random.weighted({ find: 6, findAndCount: 3, count: 1, exists: 1, sum: 1 })
  const isPlain = Object.keys(relations).length === 0
  return {
    ...{ kind: 'find', entity: shape.name, child, verb },
    where: random.times(isOne ? 1 : 0, 3, () => drawWhere(random, graph, shape, 2, child)),
    order: drawOrder(random, graph, shape, relations),
    skip: random.chance(0.3) ? random.between(0, 8) : undefined,
    take: random.chance(0.4) ? random.between(1, 8) : undefined,
    select: random.chance(0.2) ? drawSelect(random, shape) : undefined,
    relations,
    withDeleted: random.chance(0.2),
    strategy: random.chance(0.3) ? 'query' : 'join',
    relationIds: isPlain && random.chance(0.1),
    cache: random.chance(0.1),
    lock: isPlain && verb === 'find' && random.chance(0.1),
  }
}

function drawRelations(random: Random, graph: Graph, shape: EntityShape, depth: number): Relations {
  if (depth === 0) return {}
  return Object.fromEntries(
    endsOf(graph, shape.name)
      .filter(() => random.chance(depth === 2 ? 0.4 : 0.2))
      .map(({ name, target }) => [
        name,
        drawRelations(random, graph, shapeOf(graph, target), depth - 1),
      ]),
  )
}

function drawWhere(
  random: Random,
  graph: Graph,
  shape: EntityShape,
  depth: number,
  child = false,
): WhereTree {
  const ends = depth === 0 ? [] : endsOf(graph, shape.name)
  const asked = ends.filter(() => random.chance(0.2))
  const absent = ends.filter(({ many, owning }) => owning && !many && random.chance(0.05))
  return {
    tests: drawTests(random, askedPaths(shape, child), 2),
    related: Object.fromEntries(
      asked.map(({ name, target }) => [
        name,
        drawWhere(random, graph, shapeOf(graph, target), depth - 1),
      ]),
    ),
    absent: absent
      .map(({ name }) => name)
      .filter((name) => !asked.some((end) => end.name === name)),
  }
}

/** Total: the key comes last. */
function drawOrder(
  random: Random,
  graph: Graph,
  shape: EntityShape,
  relations: Relations,
): Record<string, Direction> {
  const ones = endsOf(graph, shape.name).filter(
    ({ many, name }) => !many && (name in relations || random.chance(UNSELECTED)),
  )
  const foreign = ones.flatMap(({ name, target }) =>
    orderable(random, shapeOf(graph, target)).map((path) => `${name}.${path}`),
  )
  const paths = random.some([...orderable(random, shape), ...foreign], 3)
  const order = Object.fromEntries(paths.map((path) => [path, drawDirection(random)]))
  for (const key of keysOf(shape)) order[key] = 'ASC'
  return order
}

/** TypeORM cannot page by what it does not select, where it joins as well. */
const UNSELECTED = 0.05

function orderable(random: Random, shape: EntityShape): string[] {
  return [...pathsOf(shape)]
    .filter(([, property]) => knowsOrder(property) || isBeyond(random, property))
    .filter(([, { select }]) => select || random.chance(UNSELECTED))
    .map(([path]) => path)
}

export function drawDirection(random: Random): Direction {
  const direction = random.pick(['ASC', 'DESC'] as const)
  return random.chance(0.7)
    ? direction
    : { direction, nulls: random.pick(['first', 'last'] as const) }
}

function drawSelect(random: Random, shape: EntityShape): string[] {
  return [...keysOf(shape), ...random.some([...pathsOf(shape).keys()], 3)]
}

/** Asks one twin. */
export async function runFind(query: FindQuery, twin: Twin): Promise<unknown> {
  const entity = twin.classOf(query.entity, query.child)
  const options = findOptions(query, twin)
  const { where, withDeleted } = options
  const ask = (manager: EntityManager): Promise<unknown> => {
    const repository = manager.getRepository(entity)
    if (query.verb === 'sum') return repository.sum('counter', where)
    if (query.verb === 'count' || query.verb === 'exists') {
      return repository[query.verb]({ where, withDeleted } as FindManyOptions<ObjectLiteral>)
    }
    return repository[query.verb](options as FindOneOptions<ObjectLiteral>)
  }
  if (query.lock) return twin.dataSource.transaction(ask)
  const { manager } = twin.dataSource
  return query.cache ? [await ask(manager), await ask(manager)] : ask(manager)
}

function findOptions(query: FindQuery, twin: Twin): FindManyOptions<ObjectLiteral> {
  const { skip, take, select, relations, withDeleted, strategy } = query
  const { relationIds, cache, lock } = query
  return {
    ...(query.where.length > 0 && { where: query.where.map((one) => buildWhere(one, twin)) }),
    order: deep(query.order),
    ...(skip !== undefined && { skip }),
    ...(take !== undefined && { take }),
    ...(select && { select: deep(Object.fromEntries(select.map((path) => [path, true]))) }),
    relations: relationsOption(relations),
    ...(relationIds && { loadRelationIds: true }),
    ...(cache && { cache: true }),
    ...(lock && { lock: { mode: 'pessimistic_write' } }),
    ...{ withDeleted, relationLoadStrategy: strategy },
  } as FindManyOptions<ObjectLiteral>
}

function buildWhere({ tests, related, absent }: WhereTree, twin: Twin): ObjectLiteral {
  const own = Object.entries(tests).map(([path, test]) => [path, testFor(path, test, twin)])
  const others = Object.entries(related).map(([name, tree]) => [name, buildWhere(tree, twin)])
  const missing = absent.map((name) => [name, IsNull()])
  return { ...nested(Object.fromEntries(own)), ...Object.fromEntries([...others, ...missing]) }
}

function relationsOption(relations: Relations): ObjectLiteral {
  const entries = Object.entries(relations).map(([name, inner]) => [
    name,
    Object.keys(inner).length > 0 ? relationsOption(inner) : true,
  ])
  return Object.fromEntries(entries)
}

/** Paths of any depth as nested objects. */
function deep(flat: Readonly<Record<string, unknown>>): ObjectLiteral {
  const result: ObjectLiteral = {}
  for (const [path, value] of Object.entries(flat)) {
    const names = path.split('.')
    const last = names.pop() as string
    let place = result
    for (const name of names) {
      place[name] ??= {}
      place = place[name]
    }
    place[last] = value
  }
  return result
}
