import type { QualifyTable } from './create-tables'
import { malformed } from './json-members'
import type { Query } from './store'

/** One less than PostgreSQL's `integer` holds, so that there is always a next one. */
const MAX_EPOCH = 2 ** 31 - 2

/** SQL for the epoch of the domain $1: every change leaves its own in the row that it made. */
export function epochExpression(qualify: QualifyTable): string {
  const tables = ['mortise_key', 'mortise_index', 'mortise_tombstone']
  const epochs = tables.map((table) => `SELECT epoch FROM ${qualify(table)} WHERE domain = $1`)
  return `(SELECT coalesce(max(e.epoch), 0) FROM (${epochs.join(' UNION ALL ')}) e)::text AS epoch`
}

/** Reads the column that {@link epochExpression} makes. */
export function epochOf(row: Readonly<Record<string, unknown>>): number {
  const epoch = Number(row.epoch)
  return Number.isInteger(epoch) && epoch >= 0 && epoch <= MAX_EPOCH
    ? epoch
    : malformed('the key store in PostgreSQL', 'epoch')
}

/** Takes the domain's lock until the transaction ends, and gives the epoch of what it will write. */
export async function nextEpoch(
  query: Query,
  sql: { readonly lockDomain: string; readonly loadEpoch: string },
  domain: string,
): Promise<number> {
  await query(sql.lockDomain, [domain])
  const [row] = await query(sql.loadEpoch, [domain])
  return epochOf(row ?? {}) + 1
}
