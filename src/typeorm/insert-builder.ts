import { InsertQueryBuilder, type InsertResult, type ObjectLiteral } from 'typeorm'
import type { ColumnMetadata } from './internals'
import { internalsOf } from './internals'
import type { WriteRecord } from './placeholder'
import { redactQueryError } from './redact'
import { bindParameter, checkValueSet } from './write-record'

/** What one rendering of an INSERT knows: its records, by row, and the one being rendered. */
interface Rendering {
  readonly records: WriteRecord[]
  current: WriteRecord | undefined
}

const renderings = new WeakMap<object, Rendering>()

/**
 * INSERT with one record per VALUES tuple. By tuple and not by object, so that the same object
 * inserted twice is two records and shares no DEK.
 *
 * Has no fields and no constructor: it is put under builders that TypeORM made.
 */
export class EncryptedInsertBuilder<E extends ObjectLiteral> extends InsertQueryBuilder<E> {
  protected override createValuesExpression(): string {
    renderings.set(this, { records: [], current: undefined })
    const { mainAlias } = internalsOf(this).expressionMap
    if (mainAlias?.hasMetadata) {
      for (const values of this.getValueSets()) checkValueSet(mainAlias.metadata, values)
    }
    return super.createValuesExpression()
  }

  protected override createColumnValueExpression(
    valueSets: ObjectLiteral[],
    index: number,
    column: ColumnMetadata,
  ): string {
    const rendering = renderings.get(this)
    if (!rendering) return super.createColumnValueExpression(valueSets, index, column)
    rendering.records[index] ??= {}
    rendering.current = rendering.records[index]
    try {
      return super.createColumnValueExpression(valueSets, index, column)
    } finally {
      rendering.current = undefined
    }
  }

  protected override createParameter(value: unknown): string {
    return super.createParameter(bindParameter(value, renderings.get(this)?.current))
  }

  override async execute(): Promise<InsertResult> {
    try {
      return await super.execute()
    } catch (error) {
      throw redactQueryError(error, internalsOf(this).expressionMap.mainAlias)
    }
  }
}
