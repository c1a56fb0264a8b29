import type { QualifyTable } from './create-tables'
import { epochExpression } from './postgres-epoch'

/** The SQL of the PostgreSQL key store; parameters are text and integers only. */
export interface KeyStoreStatements {
  /** (domain) -> one row: epoch, keys (JSON text). */
  readonly loadKeys: string
  /** (domain) -> one row: epoch. */
  readonly loadEpoch: string
  /** (domain) -> one row: indexes (JSON text). */
  readonly loadIndexes: string
  /** (domain): holds the domain's lock until the transaction ends. */
  readonly lockDomain: string
  /** (domain, purpose) -> one row: epoch, siblings (JSON text). */
  readonly loadSiblings: string
  /** (key id) -> domain. */
  readonly domainOfKey: string
  /** (key id, domain, purpose, version, state, kcv, created at, state changed at, epoch). */
  readonly insertKey: string
  /** (key id, provider uri, wrapped, created at). */
  readonly insertWrap: string
  /** (key id, from, to, epoch) -> a row where the key was in state `from`. */
  readonly changeState: string
  /** (key id) -> one row: wraps (JSON text). */
  readonly loadWraps: string
  /** (key id): removes its wraps. */
  readonly deleteWraps: string
  /** (key id, epoch): says that the key has changed. */
  readonly touchKey: string
  /** (domain, kind, name, generation, key id, normaliser, bits, range, group, state, epoch). */
  readonly insertIndex: string
  /** The same, then the previous (key id, normaliser, bits, range, group, state) -> a row if equal. */
  readonly replaceIndex: string
  /** The parameters of `insertIndex` -> a row if the record was equal and not the last of its name. */
  readonly removeIndex: string
}

/**
 * Every result is text, or JSON built by the database: type parsers that an application registers
 * with its driver cannot change it. What a write tells is read by a SELECT around it, because
 * TypeORM gives the rows of an UPDATE in a shape of its own.
 */
export function keyStoreStatements(qualify: QualifyTable): KeyStoreStatements {
  const [key, wrap, index, tombstone] = [
    ...['mortise_key', 'mortise_key_wrap', 'mortise_index', 'mortise_tombstone'],
  ].map(qualify)
  const buried = `EXISTS (SELECT 1 FROM ${tombstone} t WHERE t.id = k.id)`
  const epoch = epochExpression(qualify)
  const wraps = (keyId: string): string => `(SELECT coalesce(json_agg(json_build_object(
      'providerUri', w.provider_uri, 'wrapped', encode(w.wrapped, 'hex'),
      'createdAt', ${iso('w.created_at')}) ORDER BY w.created_at, w.provider_uri), '[]')
    FROM ${wrap} w WHERE w.key_id = ${keyId})`
  return {
    loadKeys: `SELECT ${epoch}, (SELECT coalesce(json_agg(json_build_object(
        'id', encode(k.id, 'hex'), 'domain', k.domain, 'purpose', k.purpose, 'version', k.version,
        'state', CASE WHEN ${buried} THEN 'destroyed' ELSE k.state END,
        'kcv', encode(k.kcv, 'hex'), 'createdAt', ${iso('k.created_at')},
        'stateChangedAt', ${iso('k.state_changed_at')}, 'epoch', k.epoch,
        'wraps', CASE WHEN ${buried} THEN '[]'::json ELSE ${wraps('k.id')} END
      ) ORDER BY k.purpose, k.version), '[]') FROM ${key} k WHERE k.domain = $1)::text AS keys`,
    loadEpoch: `SELECT ${epoch}`,
    loadIndexes: `SELECT coalesce(json_agg(json_build_object(
        'domain', i.domain, 'kind', i.kind, 'name', i.name, 'generation', i.generation,
        'indexKeyId', encode(i.index_key_id, 'hex'), 'normaliser', i.normaliser, 'bits', i.bits,
        'range', i.range_parameters, 'group', i.shared_group, 'state', i.state
      ) ORDER BY i.kind, i.name, i.generation), '[]')::text AS indexes
      FROM ${index} i WHERE i.domain = $1`,
    lockDomain: `SELECT pg_advisory_xact_lock(hashtextextended('mortise key store ' || $1, 0))`,
    loadSiblings: `SELECT ${epoch}, (SELECT coalesce(json_agg(json_build_object(
        'id', encode(k.id, 'hex'), 'version', k.version, 'state', k.state)), '[]')
      FROM ${key} k WHERE k.domain = $1 AND k.purpose = $2)::text AS siblings`,
    domainOfKey: `SELECT domain FROM ${key} WHERE id = decode($1, 'hex')`,
    insertKey: `INSERT INTO ${key} (id, domain, purpose, version, state, kcv, created_at,
        state_changed_at, epoch) VALUES (decode($1, 'hex'), $2, $3, $4, $5, decode($6, 'hex'),
        $7::timestamptz, $8::timestamptz, $9)`,
    insertWrap: `INSERT INTO ${wrap} (key_id, provider_uri, wrapped, created_at)
      VALUES (decode($1, 'hex'), $2, decode($3, 'hex'), $4::timestamptz)`,
    changeState: `WITH changed AS (UPDATE ${key} SET state = $3, state_changed_at = now(),
        epoch = $4 WHERE id = decode($1, 'hex') AND state = $2 RETURNING 1 AS one)
      SELECT one FROM changed`,
    loadWraps: `SELECT ${wraps(`decode($1, 'hex')`)}::text AS wraps`,
    deleteWraps: `DELETE FROM ${wrap} WHERE key_id = decode($1, 'hex')`,
    touchKey: `UPDATE ${key} SET epoch = $2 WHERE id = decode($1, 'hex')`,
    insertIndex: `WITH added AS (INSERT INTO ${index} (domain, kind, name, generation,
        index_key_id, normaliser, bits, range_parameters, shared_group, state, epoch)
      VALUES ($1, $2, $3, $4, decode($5, 'hex'), $6, $7, $8, $9, $10, $11)
      ON CONFLICT DO NOTHING RETURNING 1 AS one) SELECT one FROM added`,
    replaceIndex: `WITH changed AS (UPDATE ${index} SET index_key_id = decode($5, 'hex'),
        normaliser = $6, bits = $7, range_parameters = $8, shared_group = $9, state = $10,
        epoch = $11
      WHERE domain = $1 AND kind = $2 AND name = $3 AND generation = $4
        AND index_key_id IS NOT DISTINCT FROM decode($12, 'hex')
        AND normaliser IS NOT DISTINCT FROM $13 AND bits IS NOT DISTINCT FROM $14
        AND range_parameters IS NOT DISTINCT FROM $15 AND shared_group IS NOT DISTINCT FROM $16
        AND state = $17 RETURNING 1 AS one) SELECT one FROM changed`,
    removeIndex: `WITH kept AS (UPDATE ${index} SET epoch = $11
      WHERE domain = $1 AND kind = $2 AND name = $3 AND generation <> $4 AND EXISTS (
        SELECT 1 FROM ${index} r WHERE r.domain = $1 AND r.kind = $2 AND r.name = $3
          AND r.generation = $4 AND r.index_key_id IS NOT DISTINCT FROM decode($5, 'hex')
          AND r.normaliser IS NOT DISTINCT FROM $6 AND r.bits IS NOT DISTINCT FROM $7
          AND r.range_parameters IS NOT DISTINCT FROM $8 AND r.shared_group IS NOT DISTINCT FROM $9
          AND r.state = $10) RETURNING 1),
      removed AS (DELETE FROM ${index} WHERE domain = $1 AND kind = $2 AND name = $3
        AND generation = $4 AND EXISTS (SELECT 1 FROM kept) RETURNING 1 AS one)
      SELECT one FROM removed`,
  }
}

/** ISO 8601 in UTC whatever the connection's DateStyle and time zone. */
export function iso(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}
