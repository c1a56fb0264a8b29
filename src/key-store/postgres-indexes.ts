import { nextEpoch } from './postgres-epoch'
import { listIn, one } from './postgres-rows'
import type { KeyStoreStatements } from './postgres-statements'
import { indexFromJson } from './record-json'
import type { IndexRecord, KeyStore, Query, Session } from './store'

/** All index records of a domain. */
export async function loadIndexes(
  query: Query,
  sql: KeyStoreStatements,
  domain: string,
): Promise<IndexRecord[]> {
  return listIn(await one(query, sql.loadIndexes, [domain]), 'indexes').map(indexFromJson)
}

/** Runs `work` in one transaction. */
type Write = <T>(work: (query: Query) => Promise<T>, session?: Session) => Promise<T>

/** The writes of the store that are about indexes. */
export function indexWrites(
  sql: KeyStoreStatements,
  write: Write,
): Pick<KeyStore, 'insertIndexes' | 'replaceIndex' | 'removeIndex'> {
  return {
    insertIndexes: (records, session) =>
      write((query) => insertIndexes(query, sql, records), session),
    replaceIndex: (previous, next, session) =>
      write((query) => replaceIndex(query, sql, previous, next), session),
    removeIndex: (record, session) => write((query) => removeIndex(query, sql, record), session),
  }
}

async function insertIndexes(
  query: Query,
  sql: KeyStoreStatements,
  records: readonly IndexRecord[],
): Promise<void> {
  // Locks are taken in one order, so that two writers cannot wait for each other.
  for (const domain of [...new Set(records.map((record) => record.domain))].sort()) {
    const epoch = await nextEpoch(query, sql, domain)
    for (const record of records.filter((candidate) => candidate.domain === domain)) {
      await query(sql.insertIndex, [...place(record), ...content(record), epoch])
    }
  }
}

async function replaceIndex(
  query: Query,
  sql: KeyStoreStatements,
  previous: IndexRecord,
  next: IndexRecord,
): Promise<boolean> {
  if (place(previous).join(' ') !== place(next).join(' ')) return false
  const epoch = await nextEpoch(query, sql, next.domain)
  const parameters = [...place(next), ...content(next), epoch, ...content(previous)]
  return (await query(sql.replaceIndex, parameters)).length === 1
}

/** The raised epoch is left in the generations that stay: without it the domain's would go back. */
async function removeIndex(
  query: Query,
  sql: KeyStoreStatements,
  record: IndexRecord,
): Promise<boolean> {
  const epoch = await nextEpoch(query, sql, record.domain)
  const parameters = [...place(record), ...content(record), epoch]
  return (await query(sql.removeIndex, parameters)).length === 1
}

function place({ domain, kind, name, generation }: IndexRecord): readonly (string | number)[] {
  return [domain, kind, name, generation]
}

function content(record: IndexRecord): readonly (string | number | null)[] {
  const { indexKeyId, normaliser, bits, range, group, state } = record
  return [indexKeyId, normaliser, bits, range, group, state]
}
