import { type EntityMetadata, InstanceChecker } from 'typeorm'
import { compileCondition } from './compile-predicate'
import { ALWAYS, type Condition, join } from './condition'
import { conditionColumn } from './condition-column'

/** One level of find options as TypeORM recurses through it. */
export interface WhereLevel {
  readonly metadata: EntityMetadata
  readonly alias: string
  /** Property path of the embedded entity, or undefined at the top of an alias. */
  readonly prefix: string | undefined
}

/**
 * Reads one level of `where` find options as a condition. Encrypted properties are compiled; plain
 * ones, and the joins behind relations, are TypeORM's.
 *
 * @param build - TypeORM's `buildWhere` for a part of this level; it comes back here for nested levels
 */
export function findCondition(
  builder: object,
  where: unknown,
  level: WhereLevel,
  build: (part: unknown) => Condition,
): Condition {
  if (Array.isArray(where)) {
    return join(
      'or',
      where.map((one) => findCondition(builder, one, level, build)),
    )
  }
  const plain: Record<string, unknown> = {}
  const conditions: Condition[] = []
  for (const [key, value] of Object.entries((where ?? {}) as object)) {
    const { metadata, alias, prefix } = level
    const path = prefix ? `${prefix}.${key}` : key
    const column = conditionColumn(metadata, path)
    if (column && value !== null && value !== undefined) {
      conditions.push(compileCondition(builder, { alias, column }, value))
    } else if (isNested(metadata, path, value)) {
      conditions.push(build({ [key]: value }))
    } else {
      plain[key] = value
    }
  }
  const rest = Object.keys(plain).length > 0 ? build(plain) : ALWAYS
  return join('and', [rest, ...conditions])
}

function isNested(metadata: EntityMetadata, path: string, value: unknown): boolean {
  if (typeof value !== 'object' || value === null || InstanceChecker.isFindOperator(value)) {
    return false
  }
  return (
    metadata.findRelationWithPropertyPath(path) !== undefined ||
    metadata.findEmbeddedWithPropertyPath(path) !== undefined
  )
}
