import { type JsonMembers, jsonList, malformed } from './json-members'
import { epochOf } from './postgres-epoch'
import type { KeyStoreStatements } from './postgres-statements'
import type { Query } from './store'

const ORIGIN = 'the key store in PostgreSQL'
const MAX_RECORDS = 100_000

/** A row of an answer. */
export type Row = Record<string, unknown>

/** The one row of a statement's answer. */
export async function one(query: Query, sql: string, parameters: readonly unknown[]): Promise<Row> {
  const [row] = await query(sql, parameters)
  return row ?? malformed(ORIGIN, 'answer')
}

/** The objects in a column of JSON text. */
export function listIn(row: Row, column: string): JsonMembers[] {
  return jsonList(row[column], column, MAX_RECORDS, ORIGIN)
}

/** Takes the lock of a domain until the transaction ends, and gives the epoch of its next change. */
export async function nextEpoch(
  query: Query,
  sql: KeyStoreStatements,
  domain: string,
): Promise<number> {
  await query(sql.lockDomain, [domain])
  return epochOf(await one(query, sql.loadEpoch, [domain])) + 1
}
