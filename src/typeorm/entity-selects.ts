import type { EntityMetadata } from 'typeorm'
import { internalsOf } from './internals'

const known = new WeakMap<EntityMetadata, Map<string, unknown>>()
/** Applications that make up a new alias for each query gain nothing, and keep nothing. */
const MAX_ALIASES = 100

/**
 * What TypeORM selects for an alias, remembered where that is the whole entity: it makes the list anew for
 * each statement, and so would mortise, which looks the envelopes up in it.
 *
 * @param make - TypeORM's own way to make it
 */
export function entitySelects<S>(
  builder: object,
  alias: string,
  metadata: EntityMetadata,
  make: () => S,
): S {
  const { selects, queryEntity } = internalsOf(builder).expressionMap
  const isWhole = selects.some(({ selection }) => selection === alias)
  if (!isWhole || selects.some(({ selection }) => selection.startsWith(`${alias}.`))) return make()
  const lists = known.get(metadata) ?? new Map<string, unknown>()
  known.set(metadata, lists)
  const key = queryEntity ? alias : ` ${alias}`
  const list = (lists.get(key) as S | undefined) ?? make()
  if (lists.size < MAX_ALIASES) lists.set(key, list)
  return list
}
