import { type ObjectLiteral, UpdateQueryBuilder, type UpdateResult } from 'typeorm'
import { internalsOf } from './internals'
import { rewriteExactCondition } from './object-where'
import type { WriteRecord } from './placeholder'
import { redactQueryError } from './redact'
import { bindParameter, checkValueSet } from './write-record'

const records = new WeakMap<object, WriteRecord>()

/**
 * UPDATE as one record: every row that it matches gets the same envelopes.
 *
 * Has no fields and no constructor: it is put under builders that TypeORM made.
 */
export class EncryptedUpdateBuilder<E extends ObjectLiteral> extends UpdateQueryBuilder<E> {
  protected override createUpdateExpression(): string {
    const { mainAlias } = internalsOf(this).expressionMap
    if (mainAlias?.hasMetadata) checkValueSet(mainAlias.metadata, this.getValueSet())
    records.set(this, {})
    try {
      return super.createUpdateExpression()
    } finally {
      records.delete(this)
    }
  }

  protected override createParameter(value: unknown): string {
    return super.createParameter(bindParameter(value, records.get(this)))
  }

  // biome-ignore lint/suspicious/noExplicitAny: TypeORM's own signature
  protected override getWhereCondition(where: any): any {
    return rewriteExactCondition(this, where, (plain) => super.getWhereCondition(plain as never))
  }

  override async execute(): Promise<UpdateResult> {
    try {
      return await super.execute()
    } catch (error) {
      throw redactQueryError(error, internalsOf(this).expressionMap.mainAlias)
    }
  }
}
