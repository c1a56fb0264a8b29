import type { ObjectLiteral } from 'typeorm'
import { leftBehind } from '../keys/index-stage'
import { type EncryptedColumn, sealedColumnsOf } from './encrypted-column'
import { dataSourceOf, internalsOf } from './internals'
import { runtimeOf, sessionOf } from './runtime'

/**
 * Refuses to set a property to NULL where this process does not write all columns of its index: the value
 * would go on being found by the others. The statement's hook cannot see it, because NULL has no
 * placeholder. Costs nothing where no property with an index is set to NULL.
 *
 * @param builder - of an INSERT or UPDATE
 * @throws ERR_INDEX_CHANGED where a `reindex` has left this process behind
 */
export async function checkCleared(builder: object): Promise<void> {
  const { expressionMap, queryRunner } = internalsOf(builder)
  const { mainAlias, valuesSet = {} } = expressionMap
  if (!mainAlias?.hasMetadata) return
  const valueSets: ObjectLiteral[] = [valuesSet].flat()
  const isCleared = ({ field, property }: EncryptedColumn) =>
    (field.exact ?? field.bucketing) !== null &&
    valueSets.some((values) => property.getEntityValue(values) === null)
  const cleared = sealedColumnsOf(mainAlias.metadata).filter(isCleared)
  if (cleared.length === 0) return
  const dataSource = dataSourceOf(builder)
  const { keys, prepare } = runtimeOf(dataSource)
  const runner = queryRunner ?? dataSource.createQueryRunner()
  try {
    const session = sessionOf(runner)
    await prepare(session)
    for (const { field } of cleared) {
      const { mayWrite } = await keys.indexStage(field.fieldId, session)
      if (!mayWrite) throw leftBehind(field.fieldId, 'write')
    }
  } finally {
    if (runner !== queryRunner) await runner.release()
  }
}
