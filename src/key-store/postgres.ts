import { toHex } from '../bytes'
import { follows } from './content'
import { createTablesStatements, qualifyWith } from './create-tables'
import { epochOf, nextEpoch } from './postgres-epoch'
import { isUniqueViolation, postgresStoreError } from './postgres-error'
import {
  appendHistory,
  type HistoryStatements,
  historyStatements,
  loadHistory,
} from './postgres-history'
import { indexWrites, loadIndexes } from './postgres-indexes'
import { listIn, one } from './postgres-rows'
import { type KeyStoreStatements, keyStoreStatements } from './postgres-statements'
import {
  countSubjectKeys,
  destroySubjectKeys,
  insertSubjectKeys,
  loadSubjectKeys,
  loadTombstones,
  pageSubjectKeys,
  rewrapSubjectKeys,
  type SubjectStatements,
  subjectStatements,
} from './postgres-subjects'
import { destroyKey, replaceWraps } from './postgres-wraps'
import { keyFromJson } from './record-json'
import type { KeyInsertion, KeyState, KeyStore, Query, Session } from './store'

/** Runs `work` in one READ COMMITTED transaction: committed when it resolves, rolled back else. */
export type WriteTransaction = <T>(
  work: (query: Query) => Promise<T>,
  session?: Session,
) => Promise<T>

/** What the PostgreSQL store needs to know about the connections it runs on. */
export interface PostgresStoreOptions {
  /**
   * - `separate`: the store has connections of its own; the sessions of callers are ignored
   * - `shared`: reads run on the caller's session, writes on a connection of their own
   * - `single`: only one connection exists; reads and writes run on the caller's session
   */
  readonly connections: 'separate' | 'shared' | 'single'
  /**
   * For reads without a session, and to confirm what a session showed. Except with `single`, it
   * must not wait for a connection that a caller may be holding.
   */
  readonly read: Query
  /** Gets the caller's session with `single`, where the transaction may be the caller's own. */
  readonly write: WriteTransaction
  /** Schema of the tables; without it the connection's search_path decides. */
  readonly schema?: string | undefined
}

const MAX_VERSION = 2 ** 31 - 1
const CREATE_TABLES_LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('mortise tables', 0))`

/**
 * The key store over PostgreSQL, whatever runs the statements.
 *
 * Every write takes the domain's advisory lock first. Under READ COMMITTED each later statement of
 * that transaction then sees what the previous holder committed, so versions are contiguous, one key
 * is active, and epochs rise by one; the unique constraints stand behind it.
 */
export function createPostgresStore(options: PostgresStoreOptions): KeyStore {
  const { connections, read } = options
  const qualify = qualifyWith(options.schema)
  const sql = keyStoreStatements(qualify)
  const subjects = subjectStatements(qualify)
  const queryOf = (session?: Session): Query =>
    connections === 'separate' ? read : (session?.query ?? read)
  const write: WriteTransaction = (work, session) =>
    translated(() => options.write(work, connections === 'single' ? session : undefined))
  return {
    writesOnSession: connections === 'single',
    loadKeys: (domain, session) => translated(() => loadKeys(queryOf(session), sql, domain)),
    loadEpoch: (domain, session) =>
      translated(async () => epochOf(await one(queryOf(session), sql.loadEpoch, [domain]))),
    insertKey: (insertion, session) =>
      raced(() => write((query) => insertKey(query, sql, insertion), session)),
    changeState: (id, from, to, session) =>
      raced(() => write((query) => changeState(query, sql, id, from, to), session)),
    destroyKey: (key, tombstone, session) =>
      write((query) => destroyKey(query, { sql, subjects }, key, tombstone), session),
    replaceWraps: (key, wraps, session) =>
      write((query) => replaceWraps(query, sql, key, wraps), session),
    ...subjectStore({ sql, subjects, queryOf, write }),
    loadIndexes: (domain, session) => translated(() => loadIndexes(queryOf(session), sql, domain)),
    ...indexWrites(sql, write),
    ...historyStore({ sql, history: historyStatements(qualify), queryOf, write }),
    createTables: () =>
      write(async (query) => {
        await query(CREATE_TABLES_LOCK, [])
        for (const statement of createTablesStatements(qualify)) await query(statement, [])
      }),
  }
}

async function loadKeys(
  query: Query,
  sql: KeyStoreStatements,
  domain: string,
): ReturnType<KeyStore['loadKeys']> {
  const row = await one(query, sql.loadKeys, [domain])
  return { epoch: epochOf(row), keys: listIn(row, 'keys').map(keyFromJson) }
}

async function insertKey(
  query: Query,
  sql: KeyStoreStatements,
  { key, demote }: KeyInsertion,
): Promise<boolean> {
  await query(sql.lockDomain, [key.domain])
  const row = await one(query, sql.loadSiblings, [key.domain, key.purpose])
  const siblings = listIn(row, 'siblings').map((sibling) => ({
    id: sibling.text('id', /./),
    version: sibling.integer('version', 1, MAX_VERSION),
    state: sibling.oneOf<KeyState>('state', ['active', 'decrypt-only', 'disabled', 'destroyed']),
  }))
  if (!follows(siblings, key, demote)) return false
  const epoch = epochOf(row) + 1
  if (demote !== null) await query(sql.changeState, [demote, 'active', 'decrypt-only', epoch])
  const { id, domain, purpose, version, state } = key
  const times = [key.createdAt.toISOString(), key.stateChangedAt.toISOString()]
  await query(sql.insertKey, [id, domain, purpose, version, state, toHex(key.kcv), ...times, epoch])
  for (const { providerUri, wrapped, createdAt } of key.wraps) {
    await query(sql.insertWrap, [id, providerUri, toHex(wrapped), createdAt.toISOString()])
  }
  return true
}

async function changeState(
  query: Query,
  sql: KeyStoreStatements,
  id: string,
  from: KeyState,
  to: KeyState,
): Promise<boolean> {
  const [key] = await query(sql.domainOfKey, [id])
  if (key === undefined) return false
  const epoch = await nextEpoch(query, sql, String(key.domain))
  return (await query(sql.changeState, [id, from, to, epoch])).length === 1
}

/** The part of the store that is about data subjects. */
function subjectStore({
  sql,
  subjects,
  queryOf,
  write,
}: {
  readonly sql: KeyStoreStatements
  readonly subjects: SubjectStatements
  readonly queryOf: (session?: Session) => Query
  readonly write: WriteTransaction
}) {
  return {
    loadSubjectKeys: (domain, wanted, session) =>
      translated(() => loadSubjectKeys(queryOf(session), subjects, domain, wanted)),
    insertSubjectKeys: (records, session) =>
      write((query) => insertSubjectKeys(query, subjects, records), session),
    pageSubjectKeys: (domain, page) =>
      translated(() => pageSubjectKeys(queryOf(), subjects, domain, page)),
    rewrapSubjectKeys: (changes) => write((query) => rewrapSubjectKeys(query, subjects, changes)),
    countSubjectKeys: (domain) => translated(() => countSubjectKeys(queryOf(), subjects, domain)),
    destroySubjectKeys: (tombstones) =>
      write(async (query) => {
        for (const domain of [...new Set(tombstones.map((one) => one.domain))].sort()) {
          const epoch = await nextEpoch(query, sql, domain)
          const ofDomain = tombstones.filter((one) => one.domain === domain)
          await destroySubjectKeys(query, subjects, ofDomain, epoch)
        }
      }),
    loadTombstones: (domain) => translated(() => loadTombstones(queryOf(), subjects, domain)),
  } satisfies Partial<KeyStore>
}

/** The part of the store that is about what was done. */
function historyStore({
  sql,
  history,
  queryOf,
  write,
}: {
  readonly sql: KeyStoreStatements
  readonly history: HistoryStatements
  readonly queryOf: (session?: Session) => Query
  readonly write: WriteTransaction
}) {
  return {
    appendHistory: (domain, text) =>
      write(async (query) => {
        await query(sql.lockDomain, [domain])
        return appendHistory(query, history, domain, text)
      }),
    loadHistory: (domain, page) => translated(() => loadHistory(queryOf(), history, domain, page)),
  } satisfies Partial<KeyStore>
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw postgresStoreError(error)
  }
}

/** A unique violation means that another writer was first; the transaction is rolled back. */
async function raced(work: () => Promise<boolean>): Promise<boolean> {
  try {
    return await work()
  } catch (error) {
    if (isUniqueViolation((error as { cause?: unknown }).cause)) return false
    throw error
  }
}
