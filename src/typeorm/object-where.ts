import { type EntityMetadata, InstanceChecker } from 'typeorm'
import { compileCondition } from './compile-predicate'
import { type Condition, join, lossyPlaces, supersetSql } from './condition'
import { encryptedColumnOf, encryptedColumnsOf } from './encrypted-column'
import { internalsOf, type WhereCondition } from './internals'
import { refuseQuery } from './predicate'

type WhereObject = Record<string, unknown>

/**
 * Reads an object condition of a query builder, where it names encrypted properties.
 *
 * @param where - whatever `where()` was given
 * @param render - TypeORM's own rendering, for the plain part
 * @returns undefined where TypeORM can render all of it itself
 */
export function objectCondition(
  builder: object,
  where: unknown,
  render: (plain: unknown) => WhereCondition,
): Condition | undefined {
  const { mainAlias } = internalsOf(builder).expressionMap
  if (!mainAlias?.hasMetadata || !isWhereObject(where)) return undefined
  const alternatives = (Array.isArray(where) ? where : [where]) as WhereObject[]
  if (!alternatives.some((one) => namesEncrypted(one, mainAlias.metadata))) return undefined
  const conditions = alternatives.map((one) => {
    const split: Split = { conditions: [], plain: {} }
    splitWhere(builder, one, mainAlias.metadata, '', split.plain, split)
    if (Object.keys(split.plain).length > 0) {
      const sql = internalsOf(builder).createWhereConditionExpression(render(split.plain))
      split.conditions.push({ kind: 'plain', sql })
    }
    return join('and', split.conditions)
  })
  return join('or', conditions)
}

/** The same for statements that cannot refine: UPDATE, DELETE, soft delete and restore. */
export function rewriteExactCondition(
  builder: object,
  where: unknown,
  render: (plain: unknown) => WhereCondition,
): WhereCondition {
  const condition = objectCondition(builder, where, render)
  if (!condition) return render(where)
  const [lossy] = lossyPlaces(condition)
  if (lossy) {
    throw refuseQuery(
      lossy.column.field,
      'this statement would act on rows that it has not opened; find them first and use their ids',
    )
  }
  return supersetSql(condition)
}

interface Split {
  readonly conditions: Condition[]
  readonly plain: WhereObject
}

function splitWhere(
  builder: object,
  where: WhereObject,
  metadata: EntityMetadata,
  prefix: string,
  plain: WhereObject,
  split: Split,
): void {
  const alias = (internalsOf(builder).expressionMap.mainAlias as { name: string }).name
  for (const [key, value] of Object.entries(where)) {
    const path = prefix + key
    const column = encryptedColumnOf(metadata.findColumnWithPropertyPathStrict(path))
    if (column) {
      split.conditions.push(compileCondition(builder, { alias, column }, value))
    } else if (metadata.findEmbeddedWithPropertyPath(path) && isPlainObject(value)) {
      const nested: WhereObject = {}
      splitWhere(builder, value, metadata, `${path}.`, nested, split)
      if (Object.keys(nested).length > 0) plain[key] = nested
    } else {
      refuseNestedRelation(metadata, path, value)
      plain[key] = value
    }
  }
}

function refuseNestedRelation(metadata: EntityMetadata, path: string, value: unknown): void {
  const relation = metadata.findRelationWithPropertyPath(path)
  if (!relation || !isPlainObject(value)) return
  const column = encryptedColumnsOf(relation.inverseEntityMetadata).find(
    ({ main }) => main.getEntityValue(value) !== undefined,
  )
  if (column) {
    throw refuseQuery(
      column.field,
      'a condition on a relation is not supported in query builders; use find({ where })',
    )
  }
}

function namesEncrypted(where: WhereObject, metadata: EntityMetadata, prefix = ''): boolean {
  return Object.entries(where).some(([key, value]) => {
    const path = prefix + key
    if (encryptedColumnOf(metadata.findColumnWithPropertyPathStrict(path))) return true
    if (metadata.findRelationWithPropertyPath(path)) {
      refuseNestedRelation(metadata, path, value)
      return false
    }
    return isPlainObject(value) && metadata.findEmbeddedWithPropertyPath(path) !== undefined
      ? namesEncrypted(value, metadata, `${path}.`)
      : false
  })
}

function isWhereObject(where: unknown): boolean {
  if (Array.isArray(where)) return where.every(isWhereObject)
  return isPlainObject(where) && !InstanceChecker.isBrackets(where)
}

function isPlainObject(value: unknown): value is WhereObject {
  return typeof value === 'object' && value !== null && !InstanceChecker.isFindOperator(value)
}
