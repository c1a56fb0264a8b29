import { primaryKeySql } from './compile-predicate'
import { canBeSure, flagParts, lossyPlaces, supersetSql, sureSql, undecidedSql } from './condition'
import { type BuilderInternals, internalsOf } from './internals'
import { ExtraColumns, extraColumn, flagSql, type PageColumns } from './page-reader'
import { applyPlan, type Plan, toManyAliases } from './plan'
import { whileSending } from './rewritten-builder'
import { stateOf } from './select-state'
import { spreadOnce } from './sql/parameters'

/** A statement over the candidate rows alone, without relation columns, and how to read it. */
export interface CandidateQuery {
  readonly builder: BuilderInternals
  readonly plan: Plan
  readonly extras: ExtraColumns
  /** What decides whether a row matches. */
  readonly deciding: PageColumns
  /** What decides in which place it stands. */
  readonly sorting: PageColumns
  /** Names of the primary key columns in the candidate rows. */
  readonly keys: readonly string[]
  /** One main row may be several candidates: a to-many join takes part. */
  readonly multiplied: boolean
}

/** Name of the column that tells whether the database knows of a candidate that it matches. */
export const SURE = 'mortise$sure'

/**
 * Where the candidates come from, as SQL in which parameters still have names: two texts, because an
 * index finds apart what is inside of a range and what is at its ends; and one, for their order.
 */
export interface CandidateSources {
  /** Those that surely match; undefined where there can be none. */
  readonly sure: string | undefined
  /** Those that must be opened; undefined where there are none. */
  readonly undecided: string | undefined
  /** All of them, with the column {@link SURE}. */
  all(): string
}

/**
 * Makes a builder select the candidates of a plan.
 *
 * @param clone - a builder that is used for nothing else afterwards
 */
export function candidateQuery(clone: object, plan: Plan): CandidateQuery {
  const builder = internalsOf(clone)
  const map = builder.expressionMap
  applyPlan(map, plan)
  const extras = new ExtraColumns()
  const keys = primaryKeySql(builder).map((sql) => extras.select(sql))
  for (const part of flagParts(plan.condition)) extras.select(flagSql(part))
  const deciding = lossyPlaces(plan.condition).map((place) => extraColumn(builder, place, extras))
  const sorted = plan.order.flatMap(({ place }) => place ?? [])
  const sorting = sorted.map((place) => extraColumn(builder, place, extras))
  for (const { sql } of plan.order) extras.select(sql)
  dropUnusedJoins(builder, plan)
  const many = toManyAliases(map)
  const multiplied = map.joinAttributes.some(({ alias }) => many.has(alias.name))
  selectExtras(builder, extras)
  return {
    builder,
    plan,
    extras,
    deciding: unique(deciding),
    sorting: unique(sorting),
    keys,
    multiplied,
  }
}

function unique(columns: PageColumns): PageColumns {
  return [...new Map(columns.map((column) => [column.key, column])).values()]
}

/** A LEFT JOIN that neither filters nor sorts does not change which main rows there are. */
function dropUnusedJoins(builder: BuilderInternals, plan: Plan): void {
  const map = builder.expressionMap
  const texts = [
    builder.createWhereConditionExpression(map.wheres),
    ...plan.order.map(({ name, sql }) => `${name} ${sql}`),
  ]
  const used = (alias: string) => texts.some((text) => text.includes(alias))
  let kept = map.joinAttributes.filter(
    ({ direction, alias }) => direction === 'INNER' || used(alias.name),
  )
  for (;;) {
    for (const join of kept) if (join.condition) texts.push(join.condition)
    const parents = new Set(kept.map(({ parentAlias }) => parentAlias))
    const more = map.joinAttributes.filter(
      (join) => kept.includes(join) || parents.has(join.alias.name) || used(join.alias.name),
    )
    if (more.length === kept.length) break
    kept = more
  }
  map.joinAttributes = kept
}

function selectExtras(builder: BuilderInternals, extras: ExtraColumns): void {
  const map = builder.expressionMap
  map.selects = []
  extras.addTo(map)
  Object.assign(map, {
    orderBys: {},
    options: ['disable-global-order'],
    skip: undefined,
    take: undefined,
    limit: undefined,
    offset: undefined,
    lockMode: undefined,
    relationIdAttributes: [],
    queryEntity: false,
  })
  stateOf(builder).rendering = true
}

/** The statement that finds all candidates, before any window: what an index has to serve. */
export function candidateStatement(clone: object, plan: Plan): [string, unknown[]] {
  return candidateQuery(clone, plan).builder.getQueryAndParameters()
}

/** Renders the candidates of a query. */
export function sourcesOf({ builder, plan }: CandidateQuery): CandidateSources {
  const { condition, lossy } = plan
  const map = builder.expressionMap
  const { selects } = map
  const render = (where?: string, more: typeof selects = []) => {
    map.selects = [...selects, ...more]
    if (where) map.wheres = [{ type: 'simple', condition: where }]
    return whileSending(builder, () => builder.getQuery())
  }
  return {
    sure: lossy ? (canBeSure(condition) ? render(sureSql(condition)) : undefined) : render(),
    undecided: lossy ? render(undecidedSql(condition)) : undefined,
    all() {
      const sure = { selection: `(${sureSql(condition)}) IS TRUE`, aliasName: SURE }
      return render(supersetSql(condition), [sure])
    },
  }
}

/** A statement that was written around candidates, as it is sent. */
export function statementOf({ builder }: CandidateQuery, sql: string): [string, unknown[]] {
  const text = spreadOnce(builder, sql)
  builder.getQuery = () => text
  return builder.getQueryAndParameters()
}
