import {
  Brackets,
  NotBrackets,
  type ObjectLiteral,
  type SelectQueryBuilder,
  type WhereExpressionBuilder,
} from 'typeorm'
import { drawTests, isBeyond, nested, type Tests } from './conditions'
import {
  askedPaths,
  type End,
  type EntityShape,
  endsOf,
  type Graph,
  keysOf,
  shapeOf,
} from './graph'
import { type Direction, drawDirection } from './queries'
import type { Random } from './random'
import { drawText, renderText, type Text } from './texts'
import type { Twin } from './twins'
import { knowsOrder, type Property } from './values'
import { testFor } from './writes'

/** One call of where(), andWhere() or orWhere(). */
export interface Clause {
  readonly call: 'where' | 'andWhere' | 'orWhere'
  readonly condition:
    | {
        readonly kind: 'object'
        readonly tests: Tests
        /** Of a relation that is joined. */
        readonly joined?: { readonly relation: string; readonly tests: Tests }
      }
    | { readonly kind: 'text'; readonly text: Text }
    | { readonly kind: 'brackets' | 'not-brackets'; readonly clauses: readonly Clause[] }
    | {
        readonly kind: 'exists' | 'in-subquery'
        readonly relation: string
        readonly entity: string
        readonly text: Text
      }
}

export interface Join {
  /** `e.link0` */
  readonly path: string
  readonly alias: string
  readonly entity: string
  readonly many: boolean
  readonly inner: boolean
  readonly select: boolean
  readonly on: Text | undefined
}

const VERBS = [
  ...(['getMany', 'getManyAndCount', 'getCount', 'getExists', 'getOne'] as const),
  ...(['getRawAndEntities', 'grouped'] as const),
]

export interface BuilderQuery {
  readonly kind: 'builder'
  readonly entity: string
  readonly verb: (typeof VERBS)[number]
  /** The only properties that are selected; with the key. */
  readonly select: readonly string[] | undefined
  readonly joins: readonly Join[]
  readonly clauses: readonly Clause[]
  readonly order: Readonly<Record<string, Direction>>
  readonly skip: number | undefined
  readonly take: number | undefined
  /** LIMIT, which counts joined rows. */
  readonly limit: number | undefined
  readonly withDeleted: boolean
}

export function drawBuilder(random: Random, graph: Graph): BuilderQuery {
  const shape = random.pick(graph.entities)
  const joins = drawJoins(random, graph, shape)
  const paths = new Map<string, Property>(aliased('e', shape))
  for (const { alias, entity } of joins) {
    for (const entry of aliased(alias, shapeOf(graph, entity))) paths.set(...entry)
  }
  const drawClauses = (depth: number, most: number): Clause[] =>
    random.times(depth === 2 ? 0 : 1, most, (index) => ({
      call: index === 0 ? 'where' : random.pick(['andWhere', 'orWhere'] as const),
      condition: drawCondition({ random, graph, shape, paths, joins, drawClauses }, depth),
    }))
  return {
    kind: 'builder',
    entity: shape.name,
    verb: random.weighted({
      ...{ getMany: 8, getManyAndCount: 3, getCount: 3, getExists: 1, getOne: 2 },
      ...{ getRawAndEntities: 2, grouped: joins.length === 0 ? 1 : 0 },
    }),
    select: random.chance(0.15) ? drawSelect(random, shape) : undefined,
    joins,
    clauses: drawClauses(2, 3),
    order: drawOrder(random, shape, joins, graph),
    skip: random.chance(0.3) ? random.between(0, 6) : undefined,
    take: random.chance(0.4) ? random.between(1, 6) : undefined,
    limit: joins.length === 0 && random.chance(0.1) ? random.between(1, 6) : undefined,
    withDeleted: random.chance(0.2),
  }
}

function aliased(alias: string, shape: EntityShape): [string, Property][] {
  return [...askedPaths(shape)].map(([path, property]) => [`${alias}.${path}`, property])
}

/** ON and subqueries open no rows: only what tokens decide can be answered there. */
const MOSTLY = 0.85

function drawJoins(random: Random, graph: Graph, shape: EntityShape): Join[] {
  const some = endsOf(graph, shape.name)
    .filter(() => random.chance(0.35))
    .slice(0, 2)
  return some.map(({ name, target, many }, index) => {
    const alias = `j${index}`
    const paths = new Map(aliased(alias, shapeOf(graph, target)))
    return {
      ...{ path: `e.${name}`, alias, entity: target, many },
      ...{ inner: random.chance(0.3), select: random.chance(0.6) },
      on: random.chance(0.2) ? drawText(random, paths, 1, random.chance(MOSTLY)) : undefined,
    }
  })
}

interface Drawing {
  readonly random: Random
  readonly graph: Graph
  readonly shape: EntityShape
  readonly paths: ReadonlyMap<string, Property>
  readonly joins: readonly Join[]
  drawClauses(depth: number, most: number): Clause[]
}

function drawCondition(drawing: Drawing, depth: number): Clause['condition'] {
  const { random, graph, shape, paths, drawClauses } = drawing
  const subqueries = endsOf(graph, shape.name).filter(isReferring(shape))
  const hasSubquery = subqueries.length > 0 && depth === 2
  const kind = random.weighted({
    ...{ object: 6, text: 10, brackets: depth > 0 ? 4 : 0, 'not-brackets': depth > 0 ? 2 : 0 },
    ...{ exists: hasSubquery ? 2 : 0, 'in-subquery': hasSubquery ? 1 : 0 },
  })
  if (kind === 'object') return drawObject(drawing)
  if (kind === 'text') return { kind, text: drawText(random, paths) }
  if (kind === 'brackets' || kind === 'not-brackets') {
    return { kind, clauses: drawClauses(depth - 1, 2) }
  }
  const { target, relation } = random.pick(subqueries)
  const text = drawText(
    random,
    new Map(aliased('s', shapeOf(graph, target))),
    1,
    random.chance(MOSTLY),
  )
  return { kind, relation: relation.name, entity: target, text }
}

function drawObject({ random, graph, shape, joins }: Drawing): Clause['condition'] {
  const tests = drawTests(random, askedPaths(shape), 2)
  if (joins.length === 0 || random.chance(0.7)) return { kind: 'object', tests }
  const { path, entity } = random.pick(joins)
  const joined = drawTests(random, askedPaths(shapeOf(graph, entity)), 2)
  return { kind: 'object', tests, joined: { relation: path.slice(2), tests: joined } }
}

function drawSelect(random: Random, shape: EntityShape): string[] {
  const some = random.some([...askedPaths(shape).keys()], 3)
  return [...new Set([...keysOf(shape), ...some])]
}

/** Whose rows hold the key of the entity's rows in one column. */
const isReferring =
  ({ key }: EntityShape) =>
  ({ owning, relation }: End): boolean =>
    !owning && relation.kind !== 'many-to-many' && key !== 'composite'

function drawOrder(
  random: Random,
  shape: EntityShape,
  joins: readonly Join[],
  graph: Graph,
): Record<string, Direction> {
  const ones = joins.filter(({ many, select }) => !many && select)
  const all = [
    ...aliased('e', shape),
    ...ones.flatMap(({ alias, entity }) => aliased(alias, shapeOf(graph, entity))),
  ]
  const sortable = all.filter(
    ([, property]) => (knowsOrder(property) && property.select) || isBeyond(random, property),
  )
  const order = Object.fromEntries(
    random.some(sortable, 2).map(([path]) => [path, drawDirection(random)]),
  )
  for (const key of keysOf(shape)) order[`e.${key}`] = 'ASC'
  return order
}

type Builder = SelectQueryBuilder<ObjectLiteral>

/** Asks one twin. */
export async function runBuilder(query: BuilderQuery, twin: Twin): Promise<unknown> {
  const builder = twin.dataSource.getRepository(twin.classOf(query.entity)).createQueryBuilder('e')
  if (query.withDeleted) builder.withDeleted()
  if (query.select) builder.select(query.select.map((path) => `e.${path}`))
  for (const join of query.joins) addJoin(builder, join, twin)
  let parameters = 0
  const prefix = () => `q${parameters++}_`
  for (const clause of query.clauses) addClause(builder, builder, clause, twin, prefix)
  if (query.verb === 'grouped') {
    builder.select('e.counter', 'counter').addSelect('COUNT(*)', 'rows').groupBy('e.counter')
    return builder.orderBy('e.counter').getRawMany()
  }
  addOrder(builder, query)
  if (query.verb !== 'getRawAndEntities') return builder[query.verb]()
  return (await builder.getRawAndEntities()).entities
}

function addOrder(builder: Builder, { order, skip, take, limit }: BuilderQuery): void {
  for (const [path, direction] of Object.entries(order)) {
    if (typeof direction === 'string') builder.addOrderBy(path, direction)
    else {
      const nulls = direction.nulls === 'first' ? 'NULLS FIRST' : 'NULLS LAST'
      builder.addOrderBy(path, direction.direction, nulls)
    }
  }
  if (skip !== undefined) builder.skip(skip)
  if (take !== undefined) builder.take(take)
  if (limit !== undefined) builder.limit(limit)
}

function addJoin(builder: Builder, { path, alias, inner, select, on }: Join, twin: Twin): void {
  const { sql, parameters } = on
    ? renderText(on, twin, `${alias}_`)
    : { sql: undefined, parameters: undefined }
  if (inner) builder[select ? 'innerJoinAndSelect' : 'innerJoin'](path, alias, sql, parameters)
  else builder[select ? 'leftJoinAndSelect' : 'leftJoin'](path, alias, sql, parameters)
}

function addClause(
  builder: Builder,
  place: WhereExpressionBuilder,
  { call, condition }: Clause,
  twin: Twin,
  prefix: () => string,
): void {
  switch (condition.kind) {
    case 'object': {
      const { tests, joined } = condition
      const related = joined && { [joined.relation]: objectOf(joined.tests, twin) }
      place[call]({ ...objectOf(tests, twin), ...related })
      return
    }
    case 'text': {
      const { sql, parameters } = renderText(condition.text, twin, prefix())
      place[call](sql, parameters)
      return
    }
    case 'in-subquery': {
      const { sql, parameters } = renderText(condition.text, twin, prefix())
      const inner = builder.subQuery().from(twin.classOf(condition.entity), 's').where(sql)
      inner.select(`s."${condition.relation}Id"`)
      place[call](`e.id IN ${inner.getQuery()}`, parameters)
      return
    }
    case 'exists': {
      const { sql, parameters } = renderText(condition.text, twin, prefix())
      const inner = builder.subQuery().select('1').from(twin.classOf(condition.entity), 's')
      inner.where(`s.${condition.relation} = e.id AND (${sql})`)
      place[call](`EXISTS ${inner.getQuery()}`, parameters)
      return
    }
    default: {
      const Kind = condition.kind === 'brackets' ? Brackets : NotBrackets
      const inside = new Kind((nestedPlace) => {
        for (const clause of condition.clauses)
          addClause(builder, nestedPlace, clause, twin, prefix)
      })
      place[call](inside)
    }
  }
}

function objectOf(tests: Tests, twin: Twin): ObjectLiteral {
  const entries = Object.entries(tests).map(([path, test]) => [path, testFor(path, test, twin)])
  return nested(Object.fromEntries(entries))
}
