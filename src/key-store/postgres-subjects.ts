import { toHex } from '../bytes'
import type { QualifyTable } from './create-tables'
import { jsonList } from './json-members'
import { epochExpression, epochOf } from './postgres-epoch'
import { iso } from './postgres-statements'
import { KEY_ID } from './record-json'
import type { KeyStore, Query, SubjectKeyRecord, Tombstone } from './store'
import { subjectKeyFromJson, subjectKeyToJson, tombstoneFromJson } from './subject-json'

const ORIGIN = 'the key store in PostgreSQL'
const MAX_ROWS = 1_000_000

/** The statements about subject keys; lists travel as one JSON text, in both directions. */
export type SubjectStatements = ReturnType<typeof subjectStatements>

/** See `keyStoreStatements` for why every result is JSON text. */
export function subjectStatements(qualify: QualifyTable) {
  const [subject, tombstone] = ['mortise_subject_key', 'mortise_tombstone'].map(qualify)
  const keyJson = `json_build_object('id', encode(s.id, 'hex'), 'domain', s.domain,
    'subjectRef', encode(s.subject_ref, 'hex'), 'kekId', encode(s.kek_id, 'hex'),
    'wrapped', encode(s.wrapped, 'hex'), 'createdAt', ${iso('s.created_at')})`
  const tombstoneJson = `json_build_object('id', encode(t.id, 'hex'), 'domain', t.domain,
    'destroyedAt', ${iso('t.destroyed_at')}, 'actor', t.actor, 'reason', t.reason)`
  const alive = `NOT EXISTS (SELECT 1 FROM ${tombstone} t WHERE t.id = s.id)`
  const hexList = (parameter: string): string =>
    `ANY (ARRAY(SELECT decode(h, 'hex') FROM json_array_elements_text(${parameter}::json) h))`
  return {
    /** (domain, refs, ids) -> epoch, keys, tombstones. */
    load: `SELECT ${epochExpression(qualify)}, (SELECT coalesce(json_agg(${keyJson}), '[]') FROM ${subject} s
        WHERE s.domain = $1 AND (s.subject_ref = ${hexList('$2')} OR s.id = ${hexList('$3')})
        AND ${alive})::text AS keys,
      (SELECT coalesce(json_agg(${tombstoneJson}), '[]') FROM ${tombstone} t
        WHERE t.domain = $1 AND t.id = ${hexList('$3')})::text AS tombstones`,
    /** (records); in one order, so that two writers cannot wait for each other. */
    insert: `INSERT INTO ${subject} AS old (id, domain, subject_ref, kek_id, wrapped, created_at)
      SELECT DISTINCT ON (s.domain, s.subject_ref) s.id, s.domain, s.subject_ref, s.kek_id, s.wrapped, s.created_at FROM (
        SELECT decode(r->>'id', 'hex') AS id, r->>'domain' AS domain,
          decode(r->>'subjectRef', 'hex') AS subject_ref, decode(r->>'kekId', 'hex') AS kek_id,
          decode(r->>'wrapped', 'hex') AS wrapped, (r->>'createdAt')::timestamptz AS created_at
        FROM json_array_elements($1::json) r) s
      WHERE ${alive} ORDER BY s.domain, s.subject_ref
      ON CONFLICT (domain, subject_ref) DO UPDATE SET id = EXCLUDED.id, kek_id = EXCLUDED.kek_id,
        wrapped = EXCLUDED.wrapped, created_at = EXCLUDED.created_at
      WHERE EXISTS (SELECT 1 FROM ${tombstone} t WHERE t.id = old.id)`,
    /** (domain, not under, after, limit) -> keys; '' for no restriction. */
    page: `SELECT (SELECT coalesce(json_agg(${keyJson} ORDER BY s.id), '[]') FROM (
        SELECT s.* FROM ${subject} s WHERE s.domain = $1 AND s.kek_id <> decode($2, 'hex')
          AND s.id > decode($3, 'hex') AND ${alive} ORDER BY s.id LIMIT $4::integer) s)::text AS keys`,
    /** (ids): in one order, so that those who change several keys cannot wait for each other. */
    lock: `SELECT 1 AS one FROM ${subject} s WHERE s.id = ${hexList('$1')} ORDER BY s.id FOR UPDATE`,
    /** (changes) -> count. */
    rewrap: `WITH changed AS (UPDATE ${subject} s
        SET kek_id = decode(r->'next'->>'kekId', 'hex'),
          wrapped = decode(r->'next'->>'wrapped', 'hex')
        FROM json_array_elements($1::json) r
        WHERE s.id = decode(r->>'id', 'hex') AND s.wrapped = decode(r->>'wrapped', 'hex')
        RETURNING 1 AS one)
      SELECT count(*)::text AS count FROM changed`,
    /** (domain) -> counts. */
    count: `SELECT (SELECT coalesce(json_agg(json_build_object('kekId', encode(c.kek_id, 'hex'),
        'count', c.count) ORDER BY c.kek_id), '[]') FROM (SELECT s.kek_id, count(*) AS count
        FROM ${subject} s WHERE s.domain = $1 AND ${alive} GROUP BY s.kek_id) c)::text AS counts`,
    /** (ids): removes the keys. */
    destroy: `DELETE FROM ${subject} WHERE id = ${hexList('$1')}`,
    /** (tombstones, epoch): one that exists keeps what it says. */
    bury: `INSERT INTO ${tombstone} (id, domain, destroyed_at, actor, reason, epoch)
      SELECT decode(r->>'id', 'hex'), r->>'domain', (r->>'destroyedAt')::timestamptz, r->>'actor',
        r->>'reason', $2::integer FROM json_array_elements($1::json) r
      ON CONFLICT (id) DO UPDATE SET epoch = EXCLUDED.epoch`,
    /** (domain) -> tombstones. */
    tombstones: `SELECT (SELECT coalesce(json_agg(${tombstoneJson} ORDER BY t.destroyed_at, t.id), '[]')
      FROM ${tombstone} t WHERE t.domain = $1)::text AS tombstones`,
  }
}

/** See `KeyStore.loadSubjectKeys`. */
export async function loadSubjectKeys(
  query: Query,
  sql: SubjectStatements,
  domain: string,
  { refs, ids }: Parameters<KeyStore['loadSubjectKeys']>[1],
): ReturnType<KeyStore['loadSubjectKeys']> {
  const [row] = await query(sql.load, [
    domain,
    JSON.stringify(refs.map(toHex)),
    JSON.stringify(ids),
  ])
  return {
    epoch: epochOf(row ?? {}),
    keys: listOf(row, 'keys').map(subjectKeyFromJson),
    tombstones: listOf(row, 'tombstones').map(tombstoneFromJson),
  }
}

/** See `KeyStore.insertSubjectKeys`. */
export async function insertSubjectKeys(
  query: Query,
  sql: SubjectStatements,
  records: readonly SubjectKeyRecord[],
): Promise<void> {
  if (records.length > 0) await query(sql.insert, [JSON.stringify(records.map(subjectKeyToJson))])
}

/** See `KeyStore.pageSubjectKeys`. */
export async function pageSubjectKeys(
  query: Query,
  sql: SubjectStatements,
  domain: string,
  { notUnder, after, limit }: Parameters<KeyStore['pageSubjectKeys']>[1],
): Promise<SubjectKeyRecord[]> {
  const [row] = await query(sql.page, [domain, notUnder ?? '', after ?? '', limit])
  return listOf(row, 'keys').map(subjectKeyFromJson)
}

/** See `KeyStore.rewrapSubjectKeys`. */
export async function rewrapSubjectKeys(
  query: Query,
  sql: SubjectStatements,
  changes: Parameters<KeyStore['rewrapSubjectKeys']>[0],
): Promise<number> {
  if (changes.length === 0) return 0
  const list = changes.map(({ id, wrapped, next }) => ({
    id,
    wrapped: toHex(wrapped),
    next: { kekId: next.kekId, wrapped: toHex(next.wrapped) },
  }))
  await query(sql.lock, [JSON.stringify(changes.map(({ id }) => id))])
  const [row] = await query(sql.rewrap, [JSON.stringify(list)])
  return Number(row?.count)
}

/** See `KeyStore.countSubjectKeys`. */
export async function countSubjectKeys(
  query: Query,
  sql: SubjectStatements,
  domain: string,
): Promise<{ kekId: string; count: number }[]> {
  const [row] = await query(sql.count, [domain])
  return listOf(row, 'counts').map((one) => ({
    kekId: one.text('kekId', KEY_ID),
    count: one.integer('count', 1, Number.MAX_SAFE_INTEGER),
  }))
}

/** Within the transaction of `KeyStore.destroySubjectKeys`, under the lock of the one domain. */
export async function destroySubjectKeys(
  query: Query,
  sql: SubjectStatements,
  tombstones: readonly Tombstone[],
  epoch: number,
): Promise<void> {
  const ids = JSON.stringify(tombstones.map(({ id }) => id))
  await query(sql.lock, [ids])
  await query(sql.destroy, [ids])
  const first = new Map([...tombstones].reverse().map((tombstone) => [tombstone.id, tombstone]))
  await query(sql.bury, [JSON.stringify([...first.values()]), epoch])
}

/** See `KeyStore.loadTombstones`. */
export async function loadTombstones(
  query: Query,
  sql: SubjectStatements,
  domain: string,
): Promise<Tombstone[]> {
  const [row] = await query(sql.tombstones, [domain])
  return listOf(row, 'tombstones').map(tombstoneFromJson)
}

function listOf(row: Record<string, unknown> | undefined, column: string) {
  return jsonList(row?.[column], column, MAX_ROWS, ORIGIN)
}
