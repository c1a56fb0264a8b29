import {
  type EntityMetadata,
  InsertQueryBuilder,
  type InsertResult,
  type ObjectLiteral,
} from 'typeorm'
import { checkCleared } from './cleared-indexes'
import { checkInsertion } from './conflict'
import { hiddenColumnsOf, sealedColumnOf, sealedColumnsOf } from './encrypted-column'
import { hideValues } from './hide-values'
import { renderTuples } from './insert-tuples'
import type { ColumnMetadata } from './internals'
import { internalsOf } from './internals'
import { rewriteExactCondition } from './object-where'
import { redactQueryError } from './redact'
import { whileSending } from './rewritten-builder'
import { rowIdOf } from './row-column'
import { stateOf } from './select-state'
import { rewriteStatement } from './sql/rewrite-statement'
import { subjectIdOf } from './subject-column'
import { bindParameter, checkValueSet, type KnownRows, RowWrite } from './write-record'

/** What one rendering of an INSERT knows. */
interface Rendering {
  readonly metadata: EntityMetadata
  readonly columns: readonly ColumnMetadata[]
  readonly known: KnownRows
  /** Its rows, by index, and the one being rendered. */
  readonly rows: RowWrite[]
  current: RowWrite | undefined
  /** Set where the tuples are rendered last: what goes to the driver. */
  parameters: unknown[] | undefined
}

const renderings = new WeakMap<object, Rendering>()
/** Stands for the tuples while the statement around them is rendered, read and given its parameters. */
const TUPLES = '(:mortise_tuples)'

/**
 * INSERT with one row per VALUES tuple. By tuple and not by object, so that the same object inserted
 * twice is two rows and shares no DEK.
 *
 * Has no fields and no constructor: it is put under builders that TypeORM made.
 */
export class EncryptedInsertBuilder<E extends ObjectLiteral> extends InsertQueryBuilder<E> {
  protected override createValuesExpression(): string {
    const { expressionMap } = internalsOf(this)
    const { mainAlias } = expressionMap
    if (!mainAlias?.hasMetadata) return super.createValuesExpression()
    const { metadata } = mainAlias
    const columns = this.getInsertedColumns()
    const known = insertedRows(columns)
    const rows: RowWrite[] = []
    const valueSets = this.getValueSets()
    const isApart = stateOf(this).sending && canBeApart(metadata, columns, valueSets)
    const parameters = isApart ? [] : undefined
    renderings.set(this, { metadata, columns, known, rows, current: undefined, parameters })
    checkInsertion(metadata, expressionMap, columns)
    if (isApart) return TUPLES
    for (const values of valueSets) checkValueSet(metadata, values)
    return super.createValuesExpression()
  }

  /** A list of properties in `into()` means all their columns. */
  protected override getInsertedColumns(): ColumnMetadata[] {
    const columns = super.getInsertedColumns()
    if (internalsOf(this).expressionMap.insertColumns.length === 0) return columns
    const hidden = columns.flatMap((column) => {
      const sealed = sealedColumnOf(column)
      return sealed ? hiddenColumnsOf(sealed).filter(({ isInsert }) => isInsert) : []
    })
    return [...columns, ...hidden.filter((column) => !columns.includes(column))]
  }

  protected override createColumnValueExpression(
    valueSets: ObjectLiteral[],
    index: number,
    column: ColumnMetadata,
  ): string {
    const rendering = renderings.get(this)
    if (!rendering) return super.createColumnValueExpression(valueSets, index, column)
    rendering.current = rowOf(rendering, valueSets, index)
    try {
      return super.createColumnValueExpression(valueSets, index, column)
    } finally {
      rendering.current = undefined
    }
  }

  protected override createParameter(value: unknown): string {
    const { current, parameters } = renderings.get(this) ?? {}
    const bound = bindParameter(value, current)
    return current && parameters ? add(parameters, bound) : super.createParameter(bound)
  }

  // biome-ignore lint/suspicious/noExplicitAny: TypeORM's own signature; orUpdate() may have a condition
  protected override getWhereCondition(where: any): any {
    return rewriteExactCondition(this, where, (plain) => super.getWhereCondition(plain as never))
  }

  override getQuery(): string {
    return rewriteStatement(this, super.getQuery(), stateOf(this).sending)
  }

  /**
   * Renders the tuples after the statement around them: TypeORM names each of their parameters, copies all
   * names, and searches the text for them, and what they are rewritten by reads the whole text. For a
   * thousand rows that is more than half of the time that an INSERT takes here.
   */
  override getQueryAndParameters(): [string, unknown[]] {
    return whileSending(this, () => {
      const [sql, parameters] = super.getQueryAndParameters()
      const rendering = renderings.get(this)
      if (!rendering?.parameters) return [sql, parameters]
      rendering.parameters = parameters
      const valueSets = this.getValueSets()
      const tuples = renderTuples({
        ...rendering,
        valueSets,
        rowOf: (index) => rowOf(rendering, valueSets, index),
        plain: (index, column) => this.createColumnValueExpression(valueSets, index, column),
        add: (value) => add(parameters, value),
      })
      // The last one: a comment stands before it, and may hold anything.
      const at = sql.lastIndexOf(TUPLES)
      return [sql.slice(0, at) + tuples + sql.slice(at + TUPLES.length), parameters]
    })
  }

  override async execute(): Promise<InsertResult> {
    await checkCleared(this)
    try {
      return await super.execute()
    } catch (error) {
      throw redactQueryError(error, internalsOf(this).expressionMap.mainAlias)
    }
  }
}

hideValues(EncryptedInsertBuilder.prototype)

/**
 * Whether there are tuples at all, and none holds SQL text, which may name parameters and columns. Of an
 * encrypted property such text is refused.
 */
function canBeApart(
  metadata: EntityMetadata,
  columns: readonly ColumnMetadata[],
  valueSets: readonly ObjectLiteral[],
): boolean {
  const sealed = sealedColumnsOf(metadata)
  if (sealed.length === 0 || columns.length === 0 || valueSets.length === 0) return false
  const own = new Set(sealed.flatMap((one) => [one.property, ...hiddenColumnsOf(one)]))
  const isSql = (column: ColumnMetadata) =>
    valueSets.some((values) => typeof column.getEntityValue(values) === 'function')
  return !columns.some((column) => !own.has(column) && isSql(column))
}

/** A column that the statement leaves out gets its default, whatever the object says. */
function insertedRows(inserted: readonly ColumnMetadata[]): KnownRows {
  const given = (column: ColumnMetadata, values: ObjectLiteral): unknown =>
    inserted.includes(column) ? column.getEntityValue(values) : undefined
  return {
    subjectOf: (subject, values) => subjectIdOf(subject, given(subject.column, values)),
    rowIdOf: (row, values) => rowIdOf(row, given(row.column, values)),
    fix: 'give it a value in the application; one that the database makes is known too late',
  }
}

function rowOf(
  { known, rows }: Rendering,
  valueSets: readonly ObjectLiteral[],
  index: number,
): RowWrite {
  rows[index] ??= new RowWrite(known, valueSets[index] ?? {})
  return rows[index]
}

function add(parameters: unknown[], value: unknown): string {
  return `$${parameters.push(value)}`
}
