import {
  type EntityMetadata,
  type ObjectLiteral,
  UpdateQueryBuilder,
  type UpdateResult,
} from 'typeorm'
import { checkCleared } from './cleared-indexes'
import { hideValues } from './hide-values'
import { type ColumnMetadata, internalsOf } from './internals'
import { rewriteExactCondition } from './object-where'
import { redactQueryError } from './redact'
import { whileSending } from './rewritten-builder'
import { rowOfId } from './row-of-id'
import { stateOf } from './select-state'
import { rewriteStatement } from './sql/rewrite-statement'
import { planUpdate, type UpdateWrite } from './update-subjects'
import { factsOf, type WhereFacts } from './where-facts'
import { bindParameter, checkValueSet } from './write-record'

const writes = new WeakMap<object, UpdateWrite>()
/** The facts of each builder; null once a condition may let rows in that they do not describe. */
const facts = new WeakMap<object, WhereFacts | null>()

/**
 * UPDATE as one row: every row that it matches gets the same envelopes.
 *
 * Has no fields and no constructor: it is put under builders that TypeORM made.
 */
export class EncryptedUpdateBuilder<E extends ObjectLiteral> extends UpdateQueryBuilder<E> {
  protected override createUpdateExpression(): string {
    const { mainAlias, whereEntities } = internalsOf(this).expressionMap
    if (!mainAlias?.hasMetadata) return super.createUpdateExpression()
    const { metadata } = mainAlias
    const values = super.getValueSet()
    checkValueSet(metadata, values)
    const written = writtenColumns(this, metadata, values)
    const row = whereEntities.length === 1 ? rowOfId(whereEntities[0]) : undefined
    const known = facts.get(this) ?? undefined
    writes.set(this, planUpdate({ metadata, values, written, row, facts: known }))
    try {
      return super.createUpdateExpression()
    } finally {
      writes.delete(this)
    }
  }

  protected override getValueSet(): ObjectLiteral {
    return writes.get(this)?.values ?? super.getValueSet()
  }

  protected override createParameter(value: unknown): string {
    return super.createParameter(bindParameter(value, writes.get(this)?.row))
  }

  // TypeORM types the parameters of these three by `this`.
  override where(where: never, parameters?: ObjectLiteral): this {
    facts.delete(this)
    noteCondition(this, where)
    return super.where(where, parameters)
  }

  override andWhere(where: never, parameters?: ObjectLiteral): this {
    noteCondition(this, where)
    return super.andWhere(where, parameters)
  }

  override orWhere(where: never, parameters?: ObjectLiteral): this {
    facts.set(this, null)
    return super.orWhere(where, parameters)
  }

  // biome-ignore lint/suspicious/noExplicitAny: TypeORM's own signature
  protected override getWhereCondition(where: any): any {
    return rewriteExactCondition(this, where, (plain) => super.getWhereCondition(plain as never))
  }

  override getQuery(): string {
    return rewriteStatement(this, super.getQuery(), stateOf(this).sending)
  }

  override getQueryAndParameters(): [string, unknown[]] {
    return whileSending(this, () => super.getQueryAndParameters())
  }

  override async execute(): Promise<UpdateResult> {
    await checkCleared(this)
    try {
      return await super.execute()
    } catch (error) {
      throw redactQueryError(error, internalsOf(this).expressionMap.mainAlias)
    }
  }
}

hideValues(EncryptedUpdateBuilder.prototype)

/** By TypeORM's own rules: a relation sets its join columns, whatever the values say of them. */
function writtenColumns(
  builder: object,
  metadata: EntityMetadata,
  values: ObjectLiteral,
): Set<ColumnMetadata> {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  const paths = internalsOf(builder).createPropertyPath(metadata, Object.fromEntries(given))
  const columns = paths.flatMap((path) => metadata.findColumnsWithPropertyPath(path))
  return new Set(columns.filter(({ isUpdate }) => isUpdate))
}

/** TypeORM puts no brackets around SQL text: an OR in one makes an alternative of the others. */
function noteCondition(builder: object, where: unknown): void {
  const { mainAlias } = internalsOf(builder).expressionMap
  const known = facts.get(builder)
  if (!mainAlias?.hasMetadata || known === null) return
  const more = typeof where === 'object' ? factsOf(mainAlias.metadata, where) : null
  facts.set(builder, more && new Map([...(known ?? []), ...more]))
}
