import { InsertQueryBuilder, type InsertResult, type ObjectLiteral } from 'typeorm'
import { checkCleared } from './cleared-indexes'
import { checkInsertion } from './conflict'
import { hiddenColumnsOf, sealedColumnOf } from './encrypted-column'
import { hideValues } from './hide-values'
import type { ColumnMetadata } from './internals'
import { internalsOf } from './internals'
import { rewriteExactCondition } from './object-where'
import { redactQueryError } from './redact'
import { whileSending } from './rewritten-builder'
import { rowIdOf } from './row-column'
import { stateOf } from './select-state'
import { rewriteStatement } from './sql/rewrite-statement'
import { subjectIdOf } from './subject-column'
import { beginRow, bindParameter, checkValueSet, type RowWrite } from './write-record'

/** What one rendering of an INSERT knows: its rows, by index, and the one being rendered. */
interface Rendering {
  readonly rows: RowWrite[]
  current: RowWrite | undefined
}

const renderings = new WeakMap<object, Rendering>()

/**
 * INSERT with one row per VALUES tuple. By tuple and not by object, so that the same object inserted
 * twice is two rows and shares no DEK.
 *
 * Has no fields and no constructor: it is put under builders that TypeORM made.
 */
export class EncryptedInsertBuilder<E extends ObjectLiteral> extends InsertQueryBuilder<E> {
  protected override createValuesExpression(): string {
    renderings.set(this, { rows: [], current: undefined })
    const { mainAlias } = internalsOf(this).expressionMap
    if (mainAlias?.hasMetadata) {
      checkInsertion(mainAlias.metadata, internalsOf(this).expressionMap, this.getInsertedColumns())
      for (const values of this.getValueSets()) checkValueSet(mainAlias.metadata, values)
    }
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
    rendering.rows[index] ??= insertedRow(valueSets[index] ?? {}, this.getInsertedColumns())
    rendering.current = rendering.rows[index]
    try {
      return super.createColumnValueExpression(valueSets, index, column)
    } finally {
      rendering.current = undefined
    }
  }

  protected override createParameter(value: unknown): string {
    return super.createParameter(bindParameter(value, renderings.get(this)?.current))
  }

  // biome-ignore lint/suspicious/noExplicitAny: TypeORM's own signature; orUpdate() may have a condition
  protected override getWhereCondition(where: any): any {
    return rewriteExactCondition(this, where, (plain) => super.getWhereCondition(plain as never))
  }

  override getQuery(): string {
    return rewriteStatement(this, super.getQuery(), stateOf(this).sending)
  }

  override getQueryAndParameters(): [string, unknown[]] {
    return whileSending(this, () => super.getQueryAndParameters())
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

/** A column that the statement leaves out gets its default, whatever the object says. */
function insertedRow(values: ObjectLiteral, inserted: readonly ColumnMetadata[]): RowWrite {
  const given = (column: ColumnMetadata): unknown =>
    inserted.includes(column) ? column.getEntityValue(values) : undefined
  return beginRow({
    subjectOf: (subject) => subjectIdOf(subject, given(subject.column)),
    rowIdOf: (row) => rowIdOf(row, given(row.column)),
    fix: 'give it a value in the application; one that the database makes is known too late',
  })
}
