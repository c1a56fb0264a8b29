import { drawTests } from './conditions'
import {
  askedPaths,
  type End,
  type EntityShape,
  endsOf,
  type Graph,
  keysOf,
  pathsOf,
  shapeOf,
  uuidOf,
} from './graph'
import type { Random } from './random'
import { type Key, keyOf, type State } from './state'
import { drawText, type Text } from './texts'
import { drawValue, knowsExactly, type Property } from './values'
import type { Item, Where, Write } from './writes'

/** Draws writes that the rows which are there make sense of, and some that violate constraints. */
export function drawWrite(random: Random, graph: Graph, state: State, inside = false): Write {
  const draw = drawing(random, graph, state)
  const op = random.weighted({
    ...{ save: 6, change: 6, insert: 3, update: 4, upsert: 2, 'qb-insert': 2, 'qb-update': 3 },
    ...{ delete: 1, 'qb-delete': 1, remove: 1, soft: 2, increment: 1, relation: 3 },
    transaction: inside ? 0 : 2,
  })
  return draw[op]()
}

function drawing(random: Random, graph: Graph, state: State) {
  const anyShape = () => random.pick(graph.entities)
  const filled = () => {
    const some = graph.entities.filter(({ name }) => (state[name] ?? []).length > 0)
    return some.length > 0 ? random.pick(some) : undefined
  }
  const fallback = (): Write => ({ op: 'save', items: [itemOf(anyShape())], array: false })
  const itemOf = (shape: EntityShape, depth = 1, child = false) =>
    drawItem(random, graph, state, shape, depth, child)
  const insertion = (op: 'save' | 'insert'): Write => {
    const shape = anyShape()
    const child = shape.child !== undefined && random.chance(0.4)
    const items = random.times(1, 3, () => itemOf(shape, op === 'save' ? 2 : 0, child))
    return { op, items, array: items.length > 1 || random.chance(0.2) }
  }
  const builderInsertion = (): Write => {
    const shape = anyShape()
    const items = random.times(1, 2, () => itemOf(shape, 0))
    if (shape.key === 'increment' || random.chance(0.6)) return { op: 'qb-insert', items }
    const overwrite = random.chance(0.4) ? [] : namesOf(shape)
    return { op: 'qb-insert', items, conflict: { keys: keysOf(shape), overwrite } }
  }
  const namesOf = (shape: EntityShape) => random.some(shape.properties, 2).map(({ name }) => name)
  const onRows = (make: (shape: EntityShape, key: Key) => Write) => () => {
    const shape = filled()
    return shape ? make(shape, drawKey(random, shape, state)) : fallback()
  }
  const whereOf = (shape: EntityShape, key: Key): Where =>
    random.chance(0.5) ? { key } : { tests: drawSomeTests(random, shape) }
  const whereOfBuilder = (shape: EntityShape, key: Key): Where =>
    random.chance(0.3) ? { text: drawExactText(random, shape) } : whereOf(shape, key)
  const statement = (op: 'update' | 'qb-update', where = whereOf) =>
    onRows((shape, key) => ({
      op,
      entity: shape.name,
      where: where(shape, key),
      values: drawChanges(random, shape, 1),
    }))
  const deletion = (op: 'delete' | 'qb-delete', where = whereOf) =>
    onRows((shape, key) => ({ op, entity: shape.name, where: where(shape, key) }))
  return {
    save: () => insertion('save'),
    insert: () => insertion('insert'),
    'qb-insert': builderInsertion,
    change: onRows((shape, key): Write => {
      const relations = random.chance(0.4) ? drawRelated(random, graph, state, shape, 1) : {}
      return {
        op: 'change',
        entity: shape.name,
        key,
        values: drawChanges(random, shape, 0),
        relations,
        how: random.weighted({
          ...{ load: 4, 'load-selected': 2, 'plain-object': 3, preload: 1, merge: 2 },
        }),
      }
    }),
    update: statement('update'),
    'qb-update': statement('qb-update', whereOfBuilder),
    delete: deletion('delete'),
    'qb-delete': deletion('qb-delete', whereOfBuilder),
    remove: onRows((shape, key) => ({ op: 'remove', entity: shape.name, key })),
    soft: onRows((shape, key) => {
      if (!shape.softDelete)
        return { op: 'change', entity: shape.name, key, values: {}, how: 'load' }
      const op = random.pick(SOFT)
      if (op === 'softRemove' || op === 'recover') return { op, entity: shape.name, key }
      const where = op.startsWith('qb-') ? whereOfBuilder : whereOf
      return { op, entity: shape.name, where: where(shape, key) }
    }),
    increment: onRows((shape, key) => ({
      ...{ op: random.pick(['increment', 'decrement'] as const), entity: shape.name },
      ...{ where: whereOf(shape, key), by: random.between(1, 5), column: 'counter' },
    })),
    upsert: () => drawUpsert(random, graph, state, anyShape()),
    relation: onRows(
      (shape, key) => drawRelationWrite(random, graph, state, shape, key) ?? fallback(),
    ),
    transaction: (): Write => ({
      op: 'transaction',
      writes: random.times(1, 3, () => drawWrite(random, graph, state, true)),
      rollback: random.chance(0.4),
    }),
  }
}

const SOFT = [
  ...(['softRemove', 'recover', 'softDelete', 'restore'] as const),
  ...(['qb-softDelete', 'qb-restore'] as const),
]

/** Statements that write know their columns by bare names. */
function drawExactText(random: Random, shape: EntityShape): Text {
  const own = [...askedPaths(shape)].filter(
    ([path, property]) => !path.includes('.') && knowsExactly(property),
  )
  return drawText(random, new Map(own), 1, true)
}

function drawSomeTests(random: Random, shape: EntityShape) {
  const tests = drawTests(random, pathsOf(shape), 2, true)
  if (Object.keys(tests).length > 0) return tests
  return { counter: { op: '=', values: [random.between(0, 3)] } } as const
}

/** A key of a row that is there, or that could be. */
function drawKey(random: Random, shape: EntityShape, state: State): Key {
  const rows = state[shape.name] ?? []
  return rows.length > 0 && !random.chance(0.05)
    ? keyOf(shape, random.pick(rows))
    : newKey(random, shape)
}

function newKey(random: Random, { key }: EntityShape): Key {
  const number = random.between(1, 60)
  if (key === 'composite')
    return { a: random.between(1, 9), b: random.pick(['x', 'y', 'z z', "q'q"]) }
  if (key === 'uuid') return { id: uuidOf(number) }
  return { id: key === 'text' ? `k${number}` : number }
}

function drawItem(
  random: Random,
  graph: Graph,
  state: State,
  shape: EntityShape,
  depth: number,
  child: boolean,
): Item {
  const key = shape.key === 'increment' && !random.chance(0.05) ? {} : newKey(random, shape)
  const values: Record<string, unknown> = { ...key }
  for (const [path, property] of pathsOf(shape, child)) {
    if (random.chance(property.nullable ? 0.15 : 0.01)) continue
    values[path] = drawWritten(random, property)
  }
  if (random.chance(0.3)) values.counter = random.between(0, 3)
  const relations = drawRelated(random, graph, state, shape, depth)
  return { entity: shape.name, child, values, relations }
}

function drawWritten(random: Random, property: Property): unknown {
  return random.chance(property.nullable ? 0.2 : 0.01) ? null : drawValue(random, property)
}

function drawChanges(random: Random, shape: EntityShape, least: number): Record<string, unknown> {
  const paths = [...pathsOf(shape)]
  const some = random.some(paths, 3)
  const chosen = some.length < least ? [random.pick(paths)] : some
  return Object.fromEntries(chosen.map(([path, property]) => [path, drawWritten(random, property)]))
}

/** Related rows that are there, by key; new ones where a cascade would write them. */
function drawRelated(
  random: Random,
  graph: Graph,
  state: State,
  shape: EntityShape,
  depth: number,
): Record<string, Item | Item[] | null> {
  const related: Record<string, Item | Item[] | null> = {}
  for (const end of endsOf(graph, shape.name)) {
    const required = end.owning && !end.many && !end.relation.nullable
    const usable = end.owning || (depth > 1 && end.cascade)
    if (!usable || (end.many && depth === 0) || (!required && random.chance(0.5))) continue
    const one = () => drawEnd(random, graph, state, end, depth)
    const items = end.many ? random.times(0, 2, one).filter((item) => item !== undefined) : one()
    if (items !== undefined) related[end.name] = items
    else if (!required && random.chance(0.3)) related[end.name] = null
  }
  return related
}

function drawEnd(
  random: Random,
  graph: Graph,
  state: State,
  end: End,
  depth: number,
): Item | undefined {
  const shape = shapeOf(graph, end.target)
  if (end.cascade && depth > 1 && (!end.owning || random.chance(0.4))) {
    return drawItem(random, graph, state, shape, 0, false)
  }
  if (!end.owning) return undefined
  const rows = state[end.target] ?? []
  return rows.length === 0
    ? undefined
    : { entity: end.target, values: keyOf(shape, random.pick(rows)) }
}

/** By the primary key, or by a unique property. All rows set the same properties. */
function drawUpsert(random: Random, graph: Graph, state: State, shape: EntityShape): Write {
  const unique = [...pathsOf(shape)].filter(([, property]) => property.unique)
  const byUnique = unique.length > 0 && random.chance(0.7)
  const conflict = byUnique ? [(random.pick(unique) as [string, Property])[0]] : keysOf(shape)
  const taken = new Set<string>()
  const items = random
    .times(1, 2, () => drawItem(random, graph, state, shape, 0, false))
    .map(({ relations: _none, ...item }) => ({
      ...item,
      values: {
        ...(shape.key === 'increment' && byUnique ? {} : newKey(random, shape)),
        ...item.values,
      },
    }))
    .filter(({ values }) => {
      const target = JSON.stringify(conflict.map((path) => values[path]))
      if (taken.has(target)) return false
      taken.add(target)
      return true
    })
  return { op: 'upsert', items, conflict }
}

function drawRelationWrite(
  random: Random,
  graph: Graph,
  state: State,
  shape: EntityShape,
  key: Key,
): Write | undefined {
  const ends = endsOf(graph, shape.name)
  if (ends.length === 0) return undefined
  const { name, many, target } = random.pick(ends)
  const other = drawKey(random, shapeOf(graph, target), state)
  const base = { op: 'relation', entity: shape.name, relation: name, key } as const
  if (many) return { ...base, verb: random.pick(['add', 'remove'] as const), target: other }
  return { ...base, verb: 'set', target: random.chance(0.2) ? null : other }
}
