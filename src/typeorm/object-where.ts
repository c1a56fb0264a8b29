import { InstanceChecker } from 'typeorm'
import { compileCondition } from './compile-predicate'
import { type Condition, join, lossyPlaces, supersetSql, TRUE } from './condition'
import { conditionColumn, encryptedIn } from './condition-column'
import { type Alias, internalsOf, type WhereCondition } from './internals'
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
  if (!alternatives.some((one) => encryptedIn(one, mainAlias.metadata))) return undefined
  const conditions = alternatives.map((one) => {
    const split: Split = { conditions: [], plain: {} }
    splitWhere({ builder, alias: mainAlias, prefix: '' }, one, split.plain, split)
    if (Object.keys(split.plain).length > 0) {
      const sql = internalsOf(builder).createWhereConditionExpression(render(split.plain))
      split.conditions.push({ kind: 'plain', sql })
    }
    return split.conditions.length === 0 ? TRUE : join('and', split.conditions)
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

/** One level of an object condition: an entity of the query, or an embedded object in one. */
interface Level {
  readonly builder: object
  readonly alias: Alias
  /** Path of the embedded object, with a dot at its end. */
  readonly prefix: string
}

function splitWhere(level: Level, where: WhereObject, plain: WhereObject, split: Split): void {
  const { builder, alias, prefix } = level
  for (const [key, value] of Object.entries(where)) {
    const path = prefix + key
    const column = conditionColumn(alias.metadata, path)
    const inner = column ? undefined : nestedLevel(level, path, value)
    if (column) {
      split.conditions.push(compileCondition(builder, { alias: alias.name, column }, value))
    } else if (inner) {
      const nested: WhereObject = {}
      splitWhere(inner, value as WhereObject, nested, split)
      if (Object.keys(nested).length > 0) plain[key] = nested
    } else {
      plain[key] = value
    }
  }
}

/** The level below a property, where conditions on encrypted properties may be found in it. */
function nestedLevel(level: Level, path: string, value: unknown): Level | undefined {
  if (!isPlainObject(value)) return undefined
  const { builder, alias } = level
  if (alias.metadata.findEmbeddedWithPropertyPath(path)) return { ...level, prefix: `${path}.` }
  const relation = alias.metadata.findRelationWithPropertyPath(path)
  const named = relation && encryptedIn(value, relation.inverseEntityMetadata)
  if (!named) return undefined
  const { field } = named
  const { primaryColumns } = relation.inverseEntityMetadata
  if (primaryColumns.every((column) => column.getEntityValue(value) !== undefined)) {
    throw refuseQuery(field, 'beside a whole primary key TypeORM leaves it out of the condition')
  }
  const join = internalsOf(builder).expressionMap.joinAttributes.find(
    ({ parentAlias, relationPropertyPath }) =>
      parentAlias === alias.name && relationPropertyPath === path,
  )
  if (join) return { builder, alias: join.alias, prefix: '' }
  throw refuseQuery(field, `join ${path} in the query builder first, or use find({ where })`)
}

function isWhereObject(where: unknown): boolean {
  if (Array.isArray(where)) return where.every(isWhereObject)
  return isPlainObject(where) && !InstanceChecker.isBrackets(where)
}

function isPlainObject(value: unknown): value is WhereObject {
  return typeof value === 'object' && value !== null && !InstanceChecker.isFindOperator(value)
}
