import type { DataSource } from 'typeorm'
import { isMortiseError, MortiseError } from '../errors'
import type { KeyAccess } from '../keys/access'
import { encryptedColumnsOf } from './encrypted-column'

/**
 * Refuses to compare a schema that does not declare the columns of a `reindex` under way: TypeORM would
 * drop them, and others ask them. A key store that cannot be read has none under way as far as is known.
 *
 * @throws ERR_INDEX_CHANGED naming the property and the way on
 */
export async function checkBeside({ entityMetadatas }: DataSource, keys: KeyAccess): Promise<void> {
  const columns = entityMetadatas
    .filter(({ synchronize }) => synchronize)
    .flatMap((metadata) => encryptedColumnsOf(metadata))
  if (columns.length === 0) return
  const changing = await keys.changingFieldIds().catch((error: unknown) => {
    if (isMortiseError(error, 'ERR_KEY_STORE')) return new Set<string>()
    throw error
  })
  const left = columns.find(({ field, change }) => !change && changing.has(field.fieldId))
  if (!left) return
  throw new MortiseError(
    'ERR_INDEX_CHANGED',
    `${left.field.name} is being reindexed, and this change of the schema would drop the columns that ` +
      'takes: use the version of the application that declares `next`, or finish or abandon the reindex first',
    { field: left.field.name },
  )
}
