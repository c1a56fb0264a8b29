import {
  type EntityMetadata,
  type InsertQueryBuilder,
  type ObjectLiteral,
  type QueryRunner,
  SelectQueryBuilder,
} from 'typeorm'
import { countMatches, findPageKeys, hasMatch } from './candidates'
import { type Condition, supersetSql } from './condition'
import { encryptedIn } from './condition-column'
import { entitySelects } from './entity-selects'
import { findCondition } from './find-where'
import { freshPlan } from './fresh-indexes'
import { hideValues } from './hide-values'
import { EncryptedInsertBuilder } from './insert-builder'
import { dataSourceOf, internalsOf, type RawRow, type SelectInternals } from './internals'
import { objectCondition, rewriteExactCondition } from './object-where'
import { checkPageKeys } from './page-keys'
import { restoreEnvelopes, withoutDigests } from './placeholder'
import { applyPlan, type Plan, planField, planOf, readsEncrypted } from './plan'
import { refuseQuery } from './predicate'
import { cloneMap, pageReading, singleStatement, surePage, windowOf, withinKeys } from './reading'
import { redactParameters } from './redact-errors'
import { rewriteOnInstance, whileSending } from './rewritten-builder'
import { resolvedStatement, runtimeOf } from './runtime'
import { shareState, standIn, stateOf, withoutRaw } from './select-state'
import { rewriteStatement } from './sql/rewrite-statement'
import { EncryptedUpdateBuilder } from './update-builder'

/** What TypeORM selects for an alias; it does not export the type of its members. */
type EntitySelects = ReturnType<
  SelectQueryBuilder<ObjectLiteral>['buildEscapedEntityColumnSelects']
>

/** Entities, beside the rows that they were made of. */
interface Loaded<E> {
  entities: E[]
  raw: unknown[]
}

/**
 * SELECT over encrypted properties: conditions and order are rewritten to the hidden columns, pages
 * are opened before TypeORM hydrates them, and rows that only shared a bucket are left out.
 *
 * Has no fields and no constructor: it is put under builders that TypeORM made.
 */
export class EncryptedSelectBuilder<E extends ObjectLiteral> extends SelectQueryBuilder<E> {
  override clone(): this {
    const clone = super.clone()
    shareState(this, clone)
    return clone
  }

  override createQueryBuilder(queryRunner?: QueryRunner): this {
    const builder = super.createQueryBuilder(queryRunner)
    stateOf(builder).conditions = stateOf(this).conditions
    return builder
  }

  // TypeORM overloads these; only their results matter here.
  override insert(): InsertQueryBuilder<E> {
    return Object.setPrototypeOf(super.insert(), EncryptedInsertBuilder.prototype)
  }

  override update(...parameters: unknown[]): never {
    const builder = super.update(...(parameters as [never]))
    return Object.setPrototypeOf(builder, EncryptedUpdateBuilder.prototype) as never
  }

  override relation(...parameters: string[]): never {
    const builder = super.relation(...(parameters as [string, string]))
    // What it sets, adds or removes is an UPDATE of the join column, which may be a subject.
    const internals = builder as unknown as {
      createQueryBuilder(queryRunner?: QueryRunner): object
    }
    internals.createQueryBuilder = (queryRunner) => this.createQueryBuilder(queryRunner)
    return builder as never
  }

  override delete(): ReturnType<SelectQueryBuilder<E>['delete']> {
    return rewriteConditions(super.delete())
  }

  override softDelete(): never {
    return rewriteConditions(super.softDelete()) as never
  }

  override restore(): never {
    return rewriteConditions(super.restore()) as never
  }

  protected override buildWhere(
    where: never,
    metadata: EntityMetadata,
    alias: string,
    embedPrefix?: string,
  ): string {
    const state = stateOf(this)
    const render = (part: unknown) => super.buildWhere(part as never, metadata, alias, embedPrefix)
    const build = (part: unknown): Condition => {
      state.lastCondition = undefined
      const sql = render(part)
      return state.lastCondition ?? { kind: 'plain', sql }
    }
    const remember = (sql: string, condition: Condition) => {
      state.lastCondition = condition
      state.conditions.set(sql, condition)
      return sql
    }
    if (!encryptedIn(where, metadata, embedPrefix && `${embedPrefix}.`)) {
      const sql = render(where)
      return remember(sql, { kind: 'plain', sql })
    }
    const level = { metadata, alias, prefix: embedPrefix }
    const condition = findCondition(this, where, level, build)
    return remember(supersetSql(condition), condition)
  }

  // biome-ignore lint/suspicious/noExplicitAny: TypeORM's own signature
  protected override getWhereCondition(where: any): any {
    const render = (plain: unknown) => super.getWhereCondition(plain as never) as never
    const condition = objectCondition(this, where, render)
    if (!condition) return render(where)
    const sql = supersetSql(condition)
    stateOf(this).conditions.set(sql, condition)
    return sql
  }

  /**
   * SQL of a query that the database can answer alone.
   *
   * @throws ERR_QUERY_UNSUPPORTED where rows must be opened: raw results, streams and subqueries of
   *   such a query would hold rows that do not match
   */
  override getQuery(): string {
    const state = stateOf(this)
    if (!state.rendering && readsEncrypted(this)) {
      const plan = planOf(this)
      if (plan.lossy || plan.sorted) {
        throw refuseQuery(
          planField(plan),
          'a range condition or order needs opened rows, which raw results, streams and subqueries ' +
            'do not have; use find(), getMany(), getCount() or getExists()',
        )
      }
    }
    return rewriteStatement(this, super.getQuery(), state.sending)
  }

  override getQueryAndParameters(): [string, unknown[]] {
    return stateOf(this).prepared ?? whileSending(this, () => super.getQueryAndParameters())
  }

  /** TypeORM awaits no hook before it streams: tokens are made first. */
  override async stream(): ReturnType<SelectQueryBuilder<E>['stream']> {
    internalsOf(this).expressionMap.queryEntity = false
    stateOf(this).prepared = await resolvedStatement(this)
    try {
      return await super.stream()
    } finally {
      stateOf(this).prepared = undefined
    }
  }

  override async getOneOrFail(): Promise<E> {
    try {
      return await super.getOneOrFail()
    } catch (error) {
      throw redactParameters(error, this)
    }
  }

  protected override async executeEntitiesAndRawResults(
    queryRunner: QueryRunner,
  ): Promise<Loaded<E>> {
    if (!readsEncrypted(this)) return super.executeEntitiesAndRawResults(queryRunner)
    const runtime = runtimeOf(dataSourceOf(this))
    const plan = await freshPlan(this, queryRunner)
    const window = windowOf(this, plan)
    const load = (one: this) => super.executeEntitiesAndRawResults.call(one, queryRunner) as never
    if (!plan.lossy && !plan.sorted) return pageReading(asPlanned(this, plan), plan, runtime, load)
    if (!window) return singleStatement(this, plan, runtime, load)
    const sure = await surePage<this, Loaded<E>>(this, plan, window, runtime, load)
    if (sure) return sure
    checkPageKeys(this, plan)
    const keys = await findPageKeys(this.clone(), plan, window, runtime, queryRunner)
    if (keys.length === 0) return { entities: [], raw: [] }
    return withinKeys(this, plan, runtime, keys, load)
  }

  protected override buildEscapedEntityColumnSelects(
    alias: string,
    metadata: EntityMetadata,
  ): EntitySelects {
    const make = () => super.buildEscapedEntityColumnSelects(alias, metadata)
    return entitySelects(this, alias, metadata, make)
  }

  protected override async loadRawResults(queryRunner: QueryRunner): Promise<RawRow[]> {
    const load = () => super.loadRawResults(queryRunner)
    // TypeORM begins with a cache key, also where there is no cache.
    const rows = await (dataSourceOf(this).queryResultCache ? load() : withoutDigests(load))
    const { reader } = stateOf(this)
    return reader ? reader.read(rows, queryRunner) : rows
  }

  override getMany(): Promise<E[]> {
    return withoutRaw(this, () => super.getMany())
  }

  override getOne(): Promise<E | null> {
    return withoutRaw(this, () => super.getOne())
  }

  override async getRawAndEntities<T = unknown>(): Promise<{ entities: E[]; raw: T[] }> {
    const { rawIsUnseen } = stateOf(this)
    const result = await super.getRawAndEntities<T>()
    if (!rawIsUnseen) restoreEnvelopes(result.raw as RawRow[])
    return result
  }

  protected override async executeCountQuery(queryRunner: QueryRunner): Promise<number> {
    if (!readsEncrypted(this)) return super.executeCountQuery(queryRunner)
    const plan = await freshPlan(this, queryRunner)
    if (!plan.lossy) {
      return super.executeCountQuery.call(countingKeys(asPlanned(this, plan)), queryRunner)
    }
    return countMatches(this.clone(), plan, runtimeOf(dataSourceOf(this)), queryRunner)
  }

  protected override async executeExistsQuery(queryRunner: QueryRunner): Promise<boolean> {
    if (!readsEncrypted(this)) return super.executeExistsQuery(queryRunner)
    const plan: Plan = await freshPlan(this, queryRunner)
    if (plan.lossy) return hasMatch(this.clone(), plan, runtimeOf(dataSourceOf(this)), queryRunner)
    return super.executeExistsQuery.call(withoutOrder(asPlanned(this, plan)), queryRunner)
  }
}

hideValues(EncryptedSelectBuilder.prototype)

/**
 * TypeORM 1.x counts the distinct combinations of the selected columns. With the primary key among
 * them they are as many as there are keys, and no ciphertext must be compared.
 */
function countingKeys<B extends object>(builder: B): B {
  const { findOptions, expressionMap } = builder as unknown as SelectInternals
  const { mainAlias, selects } = expressionMap
  const paths = mainAlias?.metadata.primaryColumns.map(({ propertyPath }) => propertyPath) ?? []
  const selected = new Set(selects.map(({ selection }) => selection))
  if (!paths.every((path) => selected.has(`${mainAlias?.name}.${path}`))) return builder
  return standIn(builder, { findOptions: { ...findOptions, select: undefined } }, {})
}

/** TypeORM renders the builder's own text of conditions, unless that is out of date. */
function asPlanned<B extends object>(builder: B, plan: Plan): B {
  if (!plan.moved) return builder
  const map = cloneMap(internalsOf(builder).expressionMap)
  applyPlan(map, plan)
  return standIn(builder, { expressionMap: map }, {})
}

/** Whether there are rows does not depend on an order, which may need opened ones. */
function withoutOrder<B extends object>(builder: B): B {
  const map = cloneMap(internalsOf(builder).expressionMap)
  Object.assign(map, { orderBys: {}, options: [...map.options, 'disable-global-order'] })
  return standIn(builder, { expressionMap: map }, {})
}

/**
 * Rewrites the conditions of DELETE, soft delete and restore. On the instance, because TypeORM does
 * not export all of these classes.
 */
function rewriteConditions<B extends object>(builder: B): B {
  rewriteOnInstance(builder)
  const internals = builder as unknown as {
    getWhereCondition(where: unknown): never
    createQueryBuilder(queryRunner?: QueryRunner): object
  }
  const render = internals.getWhereCondition.bind(builder)
  internals.getWhereCondition = (where) => rewriteExactCondition(builder, where, render) as never
  // The builder that Brackets hand to the application.
  const create = internals.createQueryBuilder.bind(builder)
  internals.createQueryBuilder = (queryRunner) => rewriteConditions(create(queryRunner))
  return builder
}
