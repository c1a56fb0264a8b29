import type { EntityMetadata } from 'typeorm'
import { type EncryptedColumn, encryptedColumnOf, encryptedColumnsOf } from './encrypted-column'
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
  const owner = encryptedColumnsOf(metadata).find(
    ({ hmac, lofi }) => hmac === column || lofi === column,
  )
  if (!owner) return undefined
  throw refuseQuery(owner.field, `a condition names the property, not its column ${path}`)
}
