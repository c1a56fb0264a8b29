import type { ObjectLiteral, QueryBuilder, QueryRunner, SelectQueryBuilder } from 'typeorm'
import { MortiseError } from '../errors'
import { explainStatement, type PlanNode, servingIndex, unindexedColumn } from '../query-plan'
import { candidateStatement } from './candidate-query'
import { type ColumnPlace, lossyPlaces } from './condition'
import { encryptedColumnsOf } from './encrypted-column'
import { type ColumnMetadata, dataSourceOf, internalsOf } from './internals'
import { type Plan, planOf, readsEncrypted } from './plan'

/** What a query does with one encrypted property. */
export interface ExplainedProperty {
  /** `Entity.property`. */
  readonly property: string
  /** Alias in the query. */
  readonly alias: string
  readonly use: 'condition' | 'order'
  /** The hidden column that the database is asked about. */
  readonly column: string
  /**
   * `database` where the hidden column alone decides; `opened` where rows that share its value are
   * opened and checked, or put in order, in the application.
   */
  readonly decidedBy: 'database' | 'opened'
  /**
   * The SQL index that the plan finds rows by; null where it filters rows that another index found, or
   * all of them, and for an order.
   */
  readonly index: string | null
}

/** What {@link explainEncrypted} tells. */
export interface EncryptedExplanation {
  /** The statement that finds the rows, with parameters in the place of all values. */
  readonly sql: string
  readonly properties: readonly ExplainedProperty[]
  /** Whether no row is looked at that no index found, to test a condition on an encrypted property. */
  readonly indexed: boolean
}

/**
 * Tells how a query on encrypted properties is answered: which hidden columns it was rewritten to, what
 * has to be opened, and whether an SQL index serves it.
 *
 * Runs EXPLAIN and not the query: one statement in a transaction that is rolled back. The builder is
 * left as it is. For find options: `repository.createQueryBuilder().setFindOptions(…)`.
 *
 * @param queryBuilder - a SELECT, UPDATE or DELETE of a DataSource with `withEncryption`
 * @throws ERR_QUERY_UNSUPPORTED where the query cannot be answered, as running it would
 * @throws ERR_CONFIG for a query without encrypted properties
 * @see docs/how-to/query-builders.md
 */
export async function explainEncrypted<E extends ObjectLiteral>(
  queryBuilder: QueryBuilder<E>,
): Promise<EncryptedExplanation> {
  if (!readsEncrypted(queryBuilder)) {
    throw new MortiseError('ERR_CONFIG', 'explainEncrypted: the query has no encrypted property')
  }
  const isSelect = internalsOf(queryBuilder).expressionMap.queryType === 'select'
  const plan = isSelect ? planOf(queryBuilder) : undefined
  const [sql, parameters] = plan
    ? candidateStatement((queryBuilder as SelectQueryBuilder<E>).clone(), plan)
    : queryBuilder.getQueryAndParameters()
  const node = await explain(queryBuilder, sql, parameters)
  const conditions = conditionsIn(queryBuilder, sql, plan).map((one) => withIndex(one, node))
  const columns = conditions.map(({ column }) => column)
  const properties = [...conditions, ...(plan ? orderIn(plan) : [])]
  return { sql, properties, indexed: unindexedColumn(node, columns) === null }
}

async function explain(
  builder: object,
  sql: string,
  parameters: readonly unknown[],
): Promise<PlanNode> {
  const runner: QueryRunner = dataSourceOf(builder).createQueryRunner()
  try {
    await runner.startTransaction()
    return await explainStatement(runner, sql, parameters)
  } finally {
    if (runner.isTransactionActive) await runner.rollbackTransaction()
    await runner.release()
  }
}

type Unindexed = Omit<ExplainedProperty, 'index'>

function withIndex(property: Unindexed, node: PlanNode): ExplainedProperty {
  return { ...property, index: servingIndex(node, property.column) }
}

/** By the statement itself: what of it names a hidden column outside of the SELECT list. */
function conditionsIn(builder: object, sql: string, plan: Plan | undefined): Unindexed[] {
  const text = sql.slice(Math.max(0, sql.search(/\s(?:FROM|WHERE)\s/)))
  const opened = new Set(plan ? lossyPlaces(plan.condition).map(placeOf) : [])
  const { aliases } = internalsOf(builder).expressionMap
  return aliases.flatMap((alias) => {
    if (!alias.hasMetadata) return []
    return encryptedColumnsOf(alias.metadata).flatMap((column) => {
      const place = { alias: alias.name, column }
      const hidden = column.hidden.filter((one) =>
        text.includes(`${plan ? `"${alias.name}".` : ''}"${one.databaseName}"`),
      )
      const decidedBy = opened.has(placeOf(place)) ? 'opened' : 'database'
      return hidden.map(({ databaseName }) =>
        explained(place, 'condition', databaseName, decidedBy),
      )
    })
  })
}

function orderIn({ order }: Plan): ExplainedProperty[] {
  return order.flatMap(({ place }) => {
    if (!place) return []
    const column = (place.column.lofi as ColumnMetadata).databaseName
    return [{ ...explained(place, 'order', column, 'opened'), index: null }]
  })
}

function explained(
  { alias, column: { field } }: ColumnPlace,
  use: ExplainedProperty['use'],
  column: string,
  decidedBy: ExplainedProperty['decidedBy'],
): Unindexed {
  return { property: field.name, alias, use, column, decidedBy }
}

function placeOf({ alias, column }: ColumnPlace): string {
  return `${alias} ${column.main.propertyPath}`
}
