import { type EntityMetadata, InstanceChecker } from 'typeorm'
import {
  type EncryptedColumn,
  encryptedColumnOf,
  hiddenColumnsOf,
  sealedColumnsOf,
} from './encrypted-column'
import { refuseQuery } from './predicate'

/**
 * The encrypted property that a condition is about.
 *
 * @returns undefined for a plain property, or for what is none
 * @throws ERR_QUERY_UNSUPPORTED for a hidden column: TypeORM would ask for the token of a token, or, as
 *   the column follows its property in everything that is written, for NULL
 */
export function conditionColumn(
  metadata: EntityMetadata,
  path: string,
): EncryptedColumn | undefined {
  const column = metadata.findColumnWithPropertyPathStrict(path)
  const encrypted = encryptedColumnOf(column)
  if (encrypted || !column) return encrypted
  const owner = sealedColumnsOf(metadata).find((one) => hiddenColumnsOf(one).includes(column))
  if (!owner) return undefined
  throw refuseQuery(owner.field, `a condition names the property, not its column ${path}`)
}

/**
 * The first encrypted property that an object condition names, on any level. Without one TypeORM renders
 * the condition alone, to the same text as ever: query caches and statistics are kept by text.
 *
 * @throws ERR_QUERY_UNSUPPORTED for a hidden column
 */
export function encryptedIn(
  where: unknown,
  metadata: EntityMetadata,
  prefix = '',
): EncryptedColumn | undefined {
  if (Array.isArray(where)) return firstOf(where, (one) => encryptedIn(one, metadata, prefix))
  return firstOf(Object.entries((where ?? {}) as object), ([key, value]) => {
    const path = prefix + key
    const column = conditionColumn(metadata, path)
    if (column) return column
    if (typeof value !== 'object' || value === null) return undefined
    if (InstanceChecker.isFindOperator(value)) return undefined
    const relation = metadata.findRelationWithPropertyPath(path)
    if (relation) return encryptedIn(value, relation.inverseEntityMetadata)
    const isEmbedded = metadata.findEmbeddedWithPropertyPath(path) !== undefined
    return isEmbedded ? encryptedIn(value, metadata, `${path}.`) : undefined
  })
}

function firstOf<T, R>(values: readonly T[], find: (value: T) => R | undefined): R | undefined {
  for (const value of values) {
    const found = find(value)
    if (found !== undefined) return found
  }
  return undefined
}
