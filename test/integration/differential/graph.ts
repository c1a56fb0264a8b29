import type { Random } from './random'
import { drawProperty, knowsExactly, type Property } from './values'

export type KeyKind = 'int' | 'uuid' | 'text' | 'increment' | 'composite'

export interface Relation {
  readonly name: string
  readonly kind: 'many-to-one' | 'one-to-one' | 'many-to-many'
  /** The entity that holds the join column or names the join table. */
  readonly owner: string
  readonly target: string
  /** Its name on the target. */
  readonly inverse: string
  readonly nullable: boolean
  readonly cascade: boolean
  readonly inverseCascade: boolean
  /** Loaded with every find of the owner. */
  readonly eager: boolean
}

/** One end of a relation, as an entity sees it. */
export interface End {
  readonly name: string
  readonly target: string
  readonly many: boolean
  /** The end that writes: join column or join table. */
  readonly owning: boolean
  readonly cascade: boolean
  readonly relation: Relation
}

export interface EntityShape {
  readonly name: string
  readonly key: KeyKind
  readonly properties: readonly Property[]
  /** Properties under `box`. */
  readonly embedded: readonly Property[]
  readonly softDelete: boolean
  readonly version: boolean
  /** Has a plain property that names the subject of others. */
  readonly tenant: boolean
  /** Properties that are unique together. */
  readonly uniqueTogether: readonly string[] | undefined
  /** Properties of a child class in the same table. */
  readonly child: readonly Property[] | undefined
}

/** Entities and relations as data: built once for each twin. */
export interface Graph {
  readonly entities: readonly EntityShape[]
  readonly relations: readonly Relation[]
  /** How many rows a query of the encrypted twin may open beyond its page. */
  readonly maxRefine: number | undefined
  /** TypeORM's option of this name: brackets around each text of a condition. */
  readonly isolateWhereStatements: boolean
}

const NAMES = ['Alpha', 'Beta', 'Gamma', 'Delta'] as const
const KEYS: Readonly<Record<KeyKind, number>> = {
  int: 4,
  uuid: 2,
  text: 2,
  increment: 3,
  composite: 1,
}

export function drawGraph(random: Random): Graph {
  let count = 0
  const names = NAMES.slice(0, random.between(1, NAMES.length))
  const entities = names.map((name): EntityShape => {
    const key = random.weighted(KEYS)
    const tenant = random.chance(0.25)
    const around = { hasTenant: tenant, bindable: key !== 'increment' && key !== 'composite' }
    const property = (nullable?: boolean) => drawProperty(random, `p${count++}`, around, nullable)
    const properties = random.times(2, 6, () => property())
    const comparable = properties.filter((one) => knowsExactly(one) && !one.unique)
    return {
      ...{ name, key, tenant, properties },
      embedded: random.chance(0.4) ? random.times(1, 2, () => property()) : [],
      softDelete: random.chance(0.4),
      version: random.chance(0.4),
      uniqueTogether:
        comparable.length > 1 && random.chance(0.25)
          ? comparable.slice(0, 2).map((one) => one.name)
          : undefined,
      child: random.chance(0.25) ? random.times(1, 2, () => property(true)) : undefined,
    }
  })
  return {
    ...{ entities, relations: drawRelations(random, names) },
    maxRefine: random.chance(0.15) ? random.between(2, 6) : undefined,
    isolateWhereStatements: random.chance(0.2),
  }
}

function drawRelations(random: Random, names: readonly string[]): Relation[] {
  const pairs = names.flatMap((owner, i) =>
    names.slice(0, i + 1).map((target) => ({ owner, target })),
  )
  return pairs
    .filter(({ owner, target }) => random.chance(owner === target ? 0.15 : 0.65))
    .map(({ owner, target }, index) => {
      const kind = random.weighted({ 'many-to-one': 5, 'one-to-one': 2, 'many-to-many': 3 })
      return {
        ...{ name: `link${index}`, inverse: `back${index}`, kind, owner, target },
        nullable: owner === target || random.chance(0.75),
        cascade: random.chance(0.3),
        inverseCascade: random.chance(0.4),
        eager: owner !== target && kind !== 'many-to-many' && random.chance(0.1),
      }
    })
}

export function shapeOf({ entities }: Graph, name: string): EntityShape {
  return entities.find((entity) => entity.name === name) as EntityShape
}

/** Both sides of the relations of an entity. */
export function endsOf({ relations }: Graph, name: string): End[] {
  return relations.flatMap((relation) => {
    const { kind, cascade, inverseCascade } = relation
    const owning: End = {
      ...{ name: relation.name, target: relation.target, relation, cascade, owning: true },
      many: kind === 'many-to-many',
    }
    const inverse: End = {
      ...{ name: relation.inverse, target: relation.owner, relation, owning: false },
      ...{ cascade: inverseCascade, many: kind !== 'one-to-one' },
    }
    const ends: End[] = []
    if (relation.owner === name) ends.push(owning)
    if (relation.target === name) ends.push(inverse)
    return ends
  })
}

/** Properties by their path from the entity; the child's only where the child is meant. */
export function pathsOf(shape: EntityShape, child = false): Map<string, Property> {
  const paths = new Map<string, Property>()
  for (const property of shape.properties) paths.set(property.name, property)
  for (const property of shape.embedded) paths.set(`box.${property.name}`, property)
  if (child) for (const property of shape.child ?? []) paths.set(property.name, property)
  if (shape.tenant) paths.set('tenant', TENANT)
  return paths
}

/** The same with those that no write sets at random. */
export function askedPaths(shape: EntityShape, child = false): Map<string, Property> {
  const paths = pathsOf(shape, child)
  paths.set('counter', COUNTER)
  for (const name of keysOf(shape)) paths.set(name, keyProperty(shape.key, name))
  return paths
}

const plain = { nullable: false, select: true, unique: false, folded: false, sealed: undefined }
const COUNTER: Property = { ...plain, name: 'counter', type: 'number', pool: [0, 1, 2, 3] }
const TENANT: Property = { ...plain, name: 'tenant', type: 'string', pool: ['t1', 't2', 'T1'] }

function keyProperty(key: KeyKind, name: string): Property {
  if (key === 'text')
    return { ...plain, name, type: 'string', pool: ['k1', 'k2', 'k30', 'k31', 'k50'] }
  // Of the types, bytes are the one that has an order and no LIKE.
  if (key === 'uuid') return { ...plain, name, type: 'bytes', pool: [1, 2, 30, 50].map(uuidOf) }
  if (name === 'b') return { ...plain, name, type: 'string', pool: ['x', 'y', "q'q"] }
  return { ...plain, name, type: 'number', pool: [1, 2, 5, 20, 30, 50] }
}

export function uuidOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

export function keysOf({ key }: EntityShape): string[] {
  return key === 'composite' ? ['a', 'b'] : ['id']
}

/** By name, over the whole graph. */
export function propertyNames({ entities }: Graph): Map<string, Property> {
  const all = entities.flatMap(({ properties, embedded, child }) => [
    ...properties,
    ...embedded,
    ...(child ?? []),
  ])
  return new Map(all.map((property) => [property.name, property]))
}
