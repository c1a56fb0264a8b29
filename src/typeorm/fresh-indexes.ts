import type { DataSource, QueryRunner } from 'typeorm'
import { indexMoved } from '../keys/index-stage'
import { type EncryptedColumn, encryptedColumnsOf, faceOf } from './encrypted-column'
import { dataSourceOf, internalsOf } from './internals'
import { type Plan, planOf } from './plan'
import { type Runtime, runtimeOf, sessionOf } from './runtime'

/**
 * Plans a SELECT by what its indexes are now, as new as the staleness bound: an order has no parameter
 * by which the statement's hook could check it.
 *
 * @throws ERR_INDEX_CHANGED where a `reindex` moved an index meanwhile, or has left this process behind
 * @throws what {@link planOf} throws
 */
export async function freshPlan(builder: object, queryRunner: QueryRunner): Promise<Plan> {
  const runtime = runtimeOf(dataSourceOf(builder))
  const session = sessionOf(queryRunner)
  const { aliases } = internalsOf(builder).expressionMap
  const columns = aliases.flatMap((one) =>
    one.hasMetadata ? encryptedColumnsOf(one.metadata) : [],
  )
  if (columns.some(isChanging)) await learn(runtime, columns.filter(isChanging), session)
  const plan = planOf(builder)
  const ordered = plan.order.flatMap(({ place }) => (place ? [place.column] : []))
  const stages = ordered.length === 0 ? [] : await learn(runtime, ordered, session)
  stages.forEach(({ asks }, i) => {
    const column = ordered[i] as EncryptedColumn
    if (!asks.includes(faceOf(column))) throw indexMoved(column.field.name)
  })
  return plan
}

async function learn(
  { prepare, keys }: Runtime,
  columns: readonly EncryptedColumn[],
  session: ReturnType<typeof sessionOf>,
) {
  await prepare(session)
  const stages = []
  for (const { field } of columns) stages.push(await keys.indexStage(field.fieldId, session))
  return stages
}

function isChanging({ change }: EncryptedColumn): boolean {
  return change !== null
}

const SHORTEST_MS = 100

/**
 * Keeps what is known of changing indexes as new as the staleness bound while a DataSource is started, so
 * that conditions compiled without waiting ask what is right: one query of the key store in each such
 * time, and none where nothing changes. Does not keep the process alive.
 */
export function keepIndexesFresh(
  dataSource: DataSource,
  { keys }: Runtime,
  columns: readonly EncryptedColumn[],
): void {
  const changing = columns.filter(isChanging)
  if (changing.length === 0) return
  const timer = setInterval(
    () => {
      if (!dataSource.isInitialized) return clearInterval(timer)
      // A store that cannot be asked now is a matter of the statements that need it.
      const [first] = changing
      if (first) keys.indexStage(first.field.fieldId).catch(() => {})
    },
    Math.max(keys.stalenessMs, SHORTEST_MS),
  )
  timer.unref()
}
