import type { DataSource, QueryRunner } from 'typeorm'
import { tokenOf } from '../blind-index/token'
import { asBuffer } from '../bytes'
import { createKeyRequest, type KeyRequestBuilder } from '../envelope/key-request'
import { createOpener } from '../envelope/open'
import { type SealInput, sealRecords } from '../envelope/seal'
import { MortiseError } from '../errors'
import type { Session } from '../key-store/store'
import type { KeyAccess, SealingKey, TokenKey } from '../keys/access'
import type { EncryptedColumn } from './encrypted-column'
import type { RawRow } from './internals'
import { Opened, Placeholder, type WriteRecord } from './placeholder'

/** What one DataSource needs to seal and to open: its keys, and whether they may be used yet. */
export interface Runtime {
  readonly keys: KeyAccess
  /** How many rows beyond its page one query may open. */
  readonly maxRefine: number
  /** Compares the declarations with the key store and loads keys, once. */
  prepare(session: Session): Promise<void>
}

/** Where the envelopes of one column are in the rows of a page. */
export interface PageColumn {
  /** Name in the raw row. */
  readonly key: string
  readonly column: EncryptedColumn
}

const runtimes = new WeakMap<DataSource, Runtime>()

/** Binds a runtime to its DataSource. */
export function installRuntime(dataSource: DataSource, runtime: Runtime): void {
  runtimes.set(dataSource, runtime)
}

/** The runtime of a DataSource that `withEncryption` was called on. */
export function runtimeOf(dataSource: DataSource): Runtime {
  const runtime = runtimes.get(dataSource)
  if (runtime) return runtime
  throw new MortiseError('ERR_NOT_INSTALLED', 'call withEncryption(dataSource, { keyring }) first')
}

/** Key-store reads on the connection of the statement that needs the key. */
export function sessionOf(queryRunner: QueryRunner): Session {
  return {
    query: (sql, parameters) => queryRunner.query(sql, [...parameters]),
    inTransaction: queryRunner.isTransactionActive,
  }
}

/**
 * Replaces the placeholders of one statement by envelopes and tokens, in place.
 *
 * One DEK per record and one batch per statement: a key is fetched at most once for all of it.
 *
 * @param parameters - the very array that goes to the driver
 * @throws ERR_NOT_INSTALLED where a placeholder was not bound to a record
 */
export async function resolvePlaceholders(
  runtime: Runtime,
  parameters: unknown[],
  session: Session,
): Promise<void> {
  await runtime.prepare(session)
  const records = new Map<WriteRecord, number[]>()
  const tokens: number[] = []
  parameters.forEach((parameter, index) => {
    if (!(parameter instanceof Placeholder)) return
    if (parameter.use === 'token') tokens.push(index)
    else push(records, parameter.record ?? parameter, index)
  })
  await resolveTokens(runtime, parameters, tokens, session)
  if (records.size > 0) await sealPlaceholders(runtime, parameters, records, session)
}

async function sealPlaceholders(
  { keys }: Runtime,
  parameters: unknown[],
  records: Map<WriteRecord, number[]>,
  session: Session,
): Promise<void> {
  const key = (await keys.sealingKeys([null], session)).get(null) as SealingKey
  const places = [...records.values()]
  const sealed = await sealRecords(
    places.map((indexes) => ({
      key,
      values: indexes.map((index) => sealInput(parameters[index] as Placeholder, keys.domain)),
    })),
  )
  places.forEach((indexes, record) => {
    indexes.forEach((index, i) => {
      parameters[index] = sealed[record]?.[i]
    })
  })
}

function sealInput(placeholder: Placeholder, domain: string): SealInput {
  return { field: placeholder.field.context(domain), encoded: placeholder.encoded }
}

async function resolveTokens(
  { keys }: Runtime,
  parameters: unknown[],
  indexes: readonly number[],
  session: Session,
): Promise<void> {
  const tokenKeys = new Map<string, TokenKey>()
  for (const index of indexes) {
    const { field, encoded } = parameters[index] as Placeholder
    const name = `${field.indexName.kind} ${field.indexName.name}`
    const key = tokenKeys.get(name) ?? (await keys.tokenKey(field.indexName, session))
    tokenKeys.set(name, key)
    parameters[index] = tokenOf(key, encoded)
  }
}

/**
 * Opens a page of raw rows in place: each envelope becomes an {@link Opened}, NULL stays NULL.
 *
 * All unknown keys are fetched with one question; opening is then synchronous.
 *
 * @throws ERR_KEY_NOT_FOUND, ERR_KEY_STATE for the keys, ERR_DECRYPTION_FAILED and the envelope
 *   errors for the values, each naming entity.property
 */
export async function openPage(
  runtime: Runtime,
  rows: readonly RawRow[],
  columns: readonly PageColumn[],
  session: Session,
): Promise<void> {
  if (rows.length === 0 || columns.length === 0) return
  await runtime.prepare(session)
  const needed = collectKeys(rows, columns)
  if (needed.isEmpty) return
  const keys = await runtime.keys.keysFor(needed.request, session)
  const opener = createOpener(keys.keyOf)
  for (const row of rows) {
    for (const { key, column } of columns) {
      const sealed = row[key]
      if (!Buffer.isBuffer(sealed)) continue
      row[key] = new Opened(opener.open(sealed, column.context), sealed)
    }
  }
}

function collectKeys(rows: readonly RawRow[], columns: readonly PageColumn[]): KeyRequestBuilder {
  const needed = createKeyRequest()
  for (const row of rows) {
    for (const { key, column } of columns) {
      const value = row[key]
      if (value === null || value === undefined || value instanceof Opened) continue
      const envelope = reviveEnvelope(value, column)
      row[key] = envelope
      needed.add(envelope, column.context)
    }
  }
  return needed
}

/** Rows of the query cache went through JSON: `{ type: 'Buffer', data: […] }`. */
function reviveEnvelope(value: unknown, { field }: EncryptedColumn): Buffer {
  if (value instanceof Uint8Array) return asBuffer(value)
  const cached = value as { type?: unknown; data?: unknown }
  if (cached.type === 'Buffer' && Array.isArray(cached.data)) return Buffer.from(cached.data)
  throw new MortiseError(
    'ERR_ENVELOPE_MALFORMED',
    `${field.name}: the column does not hold bytes; its type in the database must be bytea`,
    { field: field.name },
  )
}

function push<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key)
  if (group) group.push(value)
  else groups.set(key, [value])
}
