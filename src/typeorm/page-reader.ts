import type { EntityMetadata } from 'typeorm'
import { MortiseError } from '../errors'
import { columnSql } from './compile-predicate'
import { type ColumnPlace, contradicts, type Evidence, isLossy, matches } from './condition'
import { encryptedColumnsOf } from './encrypted-column'
import {
  type ColumnMetadata,
  type ExpressionMap,
  internalsOf,
  type RawRow,
  type SelectedColumn,
  type SelectInternals,
} from './internals'
import { openPage, type PageColumn } from './open-page'
import { ADDED, Opened } from './placeholder'
import { type Plan, planField } from './plan'
import { type Runtime, sessionOf } from './runtime'
import type { PageReader } from './select-state'
import { type SortKey, sortRows } from './sort-rows'

/** Everything that a page is read by. */
export interface PageReading {
  readonly runtime: Runtime
  readonly plan: Plan
  readonly columns: PageColumns
  /** Extra columns that were selected for refinement; removed from the rows at the end. */
  readonly extras: ExtraColumns
  readonly sort: readonly SortKey[]
}

/** Where the envelopes of each place are in a raw row. */
export type PageColumns = readonly (PageColumn & { readonly alias: string })[]

/**
 * The encrypted columns that TypeORM selects for the entities of the query.
 *
 * @param extras - gets the subject and key columns that it does not select
 */
export function selectedColumns(builder: object, extras: ExtraColumns): PageColumns {
  const internals = builder as SelectInternals
  return internals.expressionMap.aliases.flatMap((alias) => {
    // The alias of a subquery has none, and throws where it is asked for it.
    if (!alias.hasMetadata) return []
    const { name, metadata } = alias
    if (encryptedColumnsOf(metadata).length === 0) return []
    const selects = internals.buildEscapedEntityColumnSelects(name, metadata)
    const known = foundIn.get(selects)
    if (known) return known
    const columns = columnsIn(builder, selects, name, metadata, extras)
    // What is selected along is added to one statement.
    if (extras.isEmpty) foundIn.set(selects, columns)
    return columns
  })
}

/** What was found in the lists that `entitySelects` remembers. */
const foundIn = new WeakMap<readonly SelectedColumn[], PageColumns>()

function columnsIn(
  builder: object,
  selects: readonly SelectedColumn[],
  alias: string,
  metadata: EntityMetadata,
  extras: ExtraColumns,
): PageColumns {
  const names = namesOf(selects)
  return encryptedColumnsOf(metadata).flatMap((column) => {
    const key = names.get(columnSql({ alias, builder: internalsOf(builder) }, column.main))
    return key === undefined ? [] : [pageColumn(builder, { alias, column }, key, extras, names)]
  })
}

/** The name in the raw row of each expression, the first one where there are several. */
function namesOf(selects: readonly SelectedColumn[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const { selection, aliasName } of selects) {
    if (!names.has(selection)) names.set(selection, aliasName)
  }
  return names
}

const NO_NAMES: ReadonlyMap<string, string> = new Map()

/** An encrypted column that is selected for mortise alone, with the subject and key of its row. */
export function extraColumn(
  builder: object,
  place: ColumnPlace,
  extras: ExtraColumns,
): PageColumns[number] {
  const target = { alias: place.alias, builder: internalsOf(builder) }
  const key = extras.select(columnSql(target, place.column.main))
  return pageColumn(builder, place, key, extras, NO_NAMES)
}

/** A column with the names in the raw row of its subject and of the row's key, which are selected along. */
function pageColumn(
  builder: object,
  { alias, column }: ColumnPlace,
  key: string,
  extras: ExtraColumns,
  names: ReadonlyMap<string, string>,
): PageColumns[number] {
  const nameOf = (other: ColumnMetadata | undefined): string | null => {
    if (!other) return null
    const sql = columnSql({ alias, builder: internalsOf(builder) }, other)
    return names.get(sql) ?? extras.select(sql)
  }
  const subjectKey = nameOf(column.subject?.column)
  return { alias, column, key, subjectKey, rowKey: nameOf(column.row?.column) }
}

/** Columns added to a SELECT under names that no application uses. */
export class ExtraColumns {
  readonly #bySql = new Map<string, string>()

  /** The name in the raw row of an SQL expression, which is selected once. */
  select(sql: string): string {
    const known = this.#bySql.get(sql)
    if (known) return known
    const name = `${ADDED}${this.#bySql.size}`
    this.#bySql.set(sql, name)
    return name
  }

  /** The name of an expression that was selected, or undefined. */
  nameOf(sql: string): string | undefined {
    return this.#bySql.get(sql)
  }

  get isEmpty(): boolean {
    return this.#bySql.size === 0
  }

  /** Puts the expressions into a SELECT list; TypeORM does not hydrate raw expressions. */
  addTo(map: ExpressionMap): void {
    for (const [selection, aliasName] of this.#bySql) map.selects.push({ selection, aliasName })
  }
}

/** Opens, refines, verifies and sorts the rows of one statement. */
export function createPageReader(reading: PageReading): PageReader {
  const { runtime, plan, columns, extras, sort } = reading
  const early = columns.filter((column) => decides(column, plan))
  return {
    async read(rows, queryRunner) {
      const session = sessionOf(queryRunner)
      await openPage(runtime, rows, plan.lossy ? early : columns, session)
      const evidence = evidenceOf(columns, plan, extras)
      const kept = plan.lossy ? rows.filter((row) => matches(plan.condition, evidence(row))) : rows
      if (rows.length - kept.length > runtime.maxRefine) throw refineLimit(plan, runtime.maxRefine)
      if (plan.lossy) await openPage(runtime, kept, columns, session)
      for (const row of kept) {
        if (contradicts(plan.condition, evidence(row))) throw indexMismatch(plan)
      }
      return sortRows(kept, sort)
    },
  }
}

function decides(column: PageColumns[number], { condition }: Plan): boolean {
  const visit = (part: Plan['condition']): boolean =>
    'parts' in part
      ? part.parts.some(visit)
      : part.kind === 'lossy' &&
        part.alias === column.alias &&
        part.column.main === column.column.main
  return visit(condition)
}

/** Reads values and flags of raw rows for the condition tree; what it gives for a row holds until the next. */
export function evidenceOf(
  columns: PageColumns,
  { condition }: Plan,
  extras: ExtraColumns,
): (row: RawRow) => Evidence {
  const names = evidenceNames(columns, condition, extras)
  let row: RawRow = {}
  const evidence: Evidence = {
    valueOf(place) {
      const key = names.values.get(place)
      const cell = key === undefined ? undefined : row[key]
      return cell instanceof Opened ? cell.needed() : cell
    },
    flagOf(part) {
      const name = names.flags.get(part)
      return name === undefined ? undefined : row[name] === true
    },
  }
  return (one) => {
    row = one
    return evidence
  }
}

/** Where the values of atoms and the flags of parts are in a raw row. */
function evidenceNames(columns: PageColumns, condition: Plan['condition'], extras: ExtraColumns) {
  const keys = new Map(columns.map((one) => [placeKey(one), one.key]))
  const values = new Map<ColumnPlace, string | undefined>()
  const flags = new Map<Plan['condition'], string>()
  const visit = (part: Plan['condition']): void => {
    // The superset of a lossy part may read like a plain part beside it, and is no answer.
    const flag = isLossy(part) ? undefined : extras.nameOf(flagSql(part))
    if (flag) flags.set(part, flag)
    if ('parts' in part) part.parts.forEach(visit)
    else if (part.kind !== 'plain') values.set(part, keys.get(placeKey(part)))
  }
  visit(condition)
  return { values, flags }
}

/** A part of a condition as a boolean column: NULL means that it does not hold. */
export function flagSql(part: Plan['condition']): string {
  return `(${renderFlag(part)}) IS TRUE`
}

function renderFlag(part: Plan['condition']): string {
  if (!('parts' in part)) return part.sql
  return part.parts
    .map((one) => `(${renderFlag(one)})`)
    .join(part.kind === 'and' ? ' AND ' : ' OR ')
}

/** Identifies a place within one query. */
export function placeKey({ alias, column }: ColumnPlace): string {
  return `${alias} ${column.main.propertyPath}`
}

/** The one error of a query that would open too much. */
export function refineLimit(plan: Plan, limit: number): MortiseError {
  const { name } = planField(plan)
  return new MortiseError(
    'ERR_REFINE_LIMIT',
    `${name}: more than ${limit} rows share the bucket and would have to be opened; declare a finer ` +
      'range, narrow the condition, or raise maxRefine',
    { field: name },
  )
}

function indexMismatch(plan: Plan): MortiseError {
  const place = anyPlace(plan.condition)
  const name = place?.column.field.name
  return new MortiseError(
    'ERR_INDEX_MISMATCH',
    `${name}: a row was found by its index and its opened value contradicts it: the index or the ` +
      'envelope was tampered with or damaged',
    { field: name },
  )
}

function anyPlace(condition: Plan['condition']): ColumnPlace | undefined {
  if (!('parts' in condition)) return condition.kind === 'plain' ? undefined : condition
  for (const part of condition.parts) {
    const place = anyPlace(part)
    if (place) return place
  }
  return undefined
}
