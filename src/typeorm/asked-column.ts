import type { EncryptedColumn } from './encrypted-column'
import { dataSourceOfMetadata } from './internals'
import { runtimeOf } from './runtime'

/**
 * An encrypted column with the field and the hidden columns that are to be asked now.
 *
 * From memory, because conditions are compiled without waiting for anything: it may be out of date by
 * the staleness bound, and the statement's hook checks it again.
 *
 * @throws ERR_INDEX_CHANGED where a `reindex` has left this process behind
 */
export function askedColumn(column: EncryptedColumn): EncryptedColumn {
  const { field, change, main } = column
  const { keys } = runtimeOf(dataSourceOfMetadata(main.entityMetadata))
  const stage = keys.knownIndexStage(field.fieldId)
  const face = stage?.asks[0]
  return change && face ? change[face] : column
}
