import type { DataSource, EntityMetadata, ObjectLiteral, QueryRunner } from 'typeorm'

/** TypeORM exports the class only from a path of its own. */
export type ColumnMetadata = EntityMetadata['columns'][number]

/**
 * The protected members of TypeORM's builders that the overrides rely on, the same on ^0.3.27 and ^1.0.
 * Everything undocumented that mortise touches is named in this file, so that a new TypeORM minor is
 * checked against one page.
 */
export interface BuilderInternals {
  /** 1.x; called `connection` on 0.3. */
  readonly dataSource?: DataSource
  readonly connection?: DataSource
  expressionMap: ExpressionMap
  /** Where the statement is to run; undefined where TypeORM takes a connection for it. */
  readonly queryRunner?: QueryRunner | undefined
  createParameter(value: unknown): string
  setParameter(name: string, value: unknown): unknown
  getParameters(): ObjectLiteral
  createWhereConditionExpression(condition: WhereCondition): string
  /** The property paths of a value set or condition that TypeORM renders. */
  createPropertyPath(metadata: EntityMetadata, values: ObjectLiteral): string[]
  getQuery(): string
  getQueryAndParameters(): [string, unknown[]]
  escape(name: string): string
}

/** What a builder collects before it renders SQL. */
export interface ExpressionMap {
  readonly queryType: string
  /** Primary keys are selected along, whatever the caller selects. */
  queryEntity: boolean
  mainAlias?: Alias
  aliases: Alias[]
  aliasNamePrefixingEnabled: boolean
  selects: { selection: string; aliasName?: string }[]
  wheres: WhereClause[]
  havings: { condition: string }[]
  groupBys: string[]
  orderBys: OrderBys
  readonly allOrderBys: OrderBys
  joinAttributes: JoinAttribute[]
  selectDistinct: boolean
  selectDistinctOn: string[]
  skip?: number | undefined
  take?: number | undefined
  limit?: number | undefined
  offset?: number | undefined
  lockMode?: string | undefined
  cache?: boolean | undefined
  cacheId?: string | undefined
  extraAppendedAndWhereCondition: string
  options: string[]
  readonly commonTableExpressions: unknown[]
  whereEntities: ObjectLiteral[]
  /** Property paths that `into()` was given; empty for all. */
  readonly insertColumns: readonly string[]
  valuesSet?: ObjectLiteral | ObjectLiteral[]
  /** Set on 1.x by `valuesFromSelect()`. */
  insertFromSelect?: object
  /** SQL text after ON CONFLICT; 0.3 only. */
  onConflict?: string
  onUpdate?: {
    /** Column names; a text is the name of a constraint. */
    readonly conflict?: string | readonly string[]
    /** Column names that take the value that was to be inserted. */
    readonly overwrite?: readonly string[]
    /** Column names that take a parameter of their name; 0.3 only. */
    readonly columns?: readonly string[]
    readonly skipUpdateIfNoValuesChanged?: boolean
  }
  parameters: ObjectLiteral
  clone(): ExpressionMap
}

export interface Alias {
  readonly name: string
  readonly hasMetadata: boolean
  readonly metadata: EntityMetadata
  /** SQL of a subquery in FROM or JOIN. */
  readonly subQuery?: string
}

export interface JoinAttribute {
  readonly direction: 'LEFT' | 'INNER'
  readonly alias: Alias
  readonly parentAlias?: string
  /** Property path of the joined relation, from the parent's entity. */
  readonly relationPropertyPath?: string
  readonly relation?: { readonly isOneToMany: boolean; readonly isManyToMany: boolean }
  condition?: string
}

/** `'ASC'`, or with the place of NULLs. */
export type OrderValue = 'ASC' | 'DESC' | { order: 'ASC' | 'DESC'; nulls?: string }
export type OrderBys = Record<string, OrderValue>

/** A rendered condition, a list of clauses, or an operator with rendered parameters. */
export type WhereCondition =
  | string
  | WhereClause[]
  | {
      readonly operator: string
      readonly parameters?: string[]
      readonly condition?: WhereCondition
    }

export interface WhereClause {
  readonly type: 'simple' | 'and' | 'or'
  readonly condition: WhereCondition
}

/** A raw row: SQL alias to driver value, and to an `Opened` once its page was opened. */
export type RawRow = Record<string, unknown>

/** The members of `SelectQueryBuilder` beside {@link BuilderInternals}. */
export interface SelectInternals extends BuilderInternals {
  findOptions: { readonly select?: unknown }
  buildEscapedEntityColumnSelects(alias: string, metadata: EntityMetadata): SelectedColumn[]
}

/** One column of the SELECT list: its escaped expression, and its name in the raw row. */
export interface SelectedColumn {
  readonly selection: string
  readonly aliasName: string
}

/** The internals of any builder; TypeORM declares them protected. */
export function internalsOf(builder: object): BuilderInternals {
  return builder as BuilderInternals
}

/** The DataSource of a builder on either TypeORM line. */
export function dataSourceOf(builder: object): DataSource {
  const { dataSource, connection } = builder as BuilderInternals
  return (dataSource ?? connection) as DataSource
}

/** The DataSource of an entity's metadata on either TypeORM line. */
export function dataSourceOfMetadata(metadata: EntityMetadata): DataSource {
  const { dataSource, connection } = metadata as {
    dataSource?: DataSource
    connection?: DataSource
  }
  return (dataSource ?? connection) as DataSource
}
