import { toHex } from '../bytes'
import { sameWraps } from './content'
import { jsonList } from './json-members'
import { nextEpoch } from './postgres-epoch'
import type { KeyStoreStatements } from './postgres-statements'
import type { SubjectStatements } from './postgres-subjects'
import { wrapFromJson } from './record-json'
import type { KeyRecord, KeyStore, KeyWrap, Query, Tombstone } from './store'

const MAX_WRAPS = 8

/** See `KeyStore.replaceWraps`; within a transaction. */
export async function replaceWraps(
  query: Query,
  sql: KeyStoreStatements,
  { id, wraps: previous }: Pick<KeyRecord, 'id' | 'wraps'>,
  wraps: readonly KeyWrap[],
): Promise<boolean> {
  const [key] = await query(sql.domainOfKey, [id])
  if (key === undefined) return false
  const epoch = await nextEpoch(query, sql, String(key.domain))
  if (!sameWraps(await loadWraps(query, sql, id), previous)) return false
  await query(sql.deleteWraps, [id])
  for (const { providerUri, wrapped, createdAt } of wraps) {
    await query(sql.insertWrap, [id, providerUri, toHex(wrapped), createdAt.toISOString()])
  }
  await query(sql.touchKey, [id, epoch])
  return true
}

/** See `KeyStore.destroyKey`; within a transaction. */
export async function destroyKey(
  query: Query,
  { sql, subjects }: { readonly sql: KeyStoreStatements; readonly subjects: SubjectStatements },
  { id, state, wraps }: Parameters<KeyStore['destroyKey']>[0],
  tombstone: Tombstone,
): Promise<boolean> {
  const epoch = await nextEpoch(query, sql, tombstone.domain)
  if (!sameWraps(await loadWraps(query, sql, id), wraps)) return false
  const changed = await query(sql.changeState, [id, state, 'destroyed', epoch])
  if (changed.length === 0) return false
  await query(sql.deleteWraps, [id])
  await query(subjects.bury, [JSON.stringify([tombstone]), epoch])
  return true
}

async function loadWraps(query: Query, sql: KeyStoreStatements, id: string): Promise<KeyWrap[]> {
  const [row] = await query(sql.loadWraps, [id])
  return jsonList(row?.wraps, 'wraps', MAX_WRAPS, 'the key store in PostgreSQL').map(wrapFromJson)
}
