import { type JsonMembers, jsonList, malformed } from './json-members'
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
