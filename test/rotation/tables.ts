import { randomBytes } from 'node:crypto'
import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { createFieldContext } from '../../src/envelope/field-context'
import { createKeyRequest } from '../../src/envelope/key-request'
import { createOpener } from '../../src/envelope/open'
import { sealRecords } from '../../src/envelope/seal'
import { defineField } from '../../src/field'
import { createTablesStatements, qualifyWith } from '../../src/key-store/create-tables'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { Query } from '../../src/key-store/store'
import type { SealingKey } from '../../src/keys/access'
import { createKeyring, type Keyring, keyAccess } from '../../src/keys/keyring'
import type { KeyringOptions } from '../../src/keys/keyring-options'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import { type EncryptedTable, registerSchema } from '../../src/schema'
import { createDatabase, type TestDatabase } from '../database'

/** A statement as it was sent. */
export interface Sent {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly rows: readonly Record<string, unknown>[]
}

/** What stands for an application's DataSource, with every statement that was sent through it. */
export interface Target {
  readonly keyring: Keyring
  readonly sent: Sent[]
  /** Runs before each statement; may change the data or throw. */
  before: ((sql: string) => Promise<void> | void) | undefined
}

/** A real database for the tests of the calling file. */
export function useTables(): {
  readonly pool: Pool
  connect(): Promise<PoolClient>
  target(keyring: Keyring, ...tables: EncryptedTable[]): Target
  /** Works as a role that row-level security hides the rows of a table from. */
  blindTo(table: string, work: (query: Query) => Promise<void>): Promise<void>
} {
  let database: TestDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await createDatabase()
    pool = new Pool({ connectionString: database.url, max: 5 })
    for (const sql of createTablesStatements(qualifyWith(undefined))) await pool.query(sql)
  })
  afterAll(async () => {
    await pool?.end()
    await database?.drop()
  })
  return {
    get pool() {
      return pool
    },
    connect: () => pool.connect(),
    blindTo: (table, work) => blindTo(pool, table, work),
    target: (keyring, ...tables) => {
      const target: Target = { keyring, sent: [], before: undefined }
      const query: Query = async (sql, parameters) => {
        await target.before?.(sql)
        const { rows } = await pool.query(sql, [...parameters])
        target.sent.push({ sql, parameters, rows })
        return rows
      }
      const transaction = <T>(work: (query: Query) => Promise<T>) =>
        inTransaction(pool, (run) =>
          work(async (sql, parameters) => {
            await target.before?.(sql)
            const rows = await run(sql, parameters)
            target.sent.push({ sql, parameters, rows })
            return rows
          }),
        )
      registerSchema(target, { keyring, tables, ownSchema: null, query, transaction })
      return target
    },
  }
}

async function blindTo(
  pool: Pool,
  table: string,
  work: (query: Query) => Promise<void>,
): Promise<void> {
  // Roles belong to the server, which other files use as well.
  const role = `blind_${randomBytes(8).toString('hex')}`
  const client = await pool.connect()
  try {
    await client.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY; CREATE ROLE ${role};
      GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}; SET ROLE ${role}`)
    await work(async (sql, values) => (await client.query(sql, [...values])).rows)
  } finally {
    await client.query(`RESET ROLE; ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY;
      DROP OWNED BY ${role}; DROP ROLE ${role}`)
    client.release()
  }
}

async function inTransaction<T>(pool: Pool, work: (query: Query) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    // Several statements in one message have a result each.
    const result = await work(
      async (sql, values) => (await client.query(sql, [...values])).rows ?? [],
    )
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

/** Keys in memory that every use reads anew; two with one store and secret are two processes. */
export function makeKeyring({
  store = memoryKeyStore(),
  secret = generateRootKey(),
  epochPollMs = 0,
  ...others
}: Partial<KeyringOptions> & { secret?: string; epochPollMs?: number } = {}): Keyring {
  const provider = inAppKeyProvider({ name: 'main', secret })
  return createKeyring({ providers: [provider], store, cache: { epochPollMs }, ...others })
}

/** A table of the schema under test with text fields in columns of their names. */
export function tableOf(
  name: string,
  primaryKey: readonly string[],
  columns: readonly string[] = ['email'],
  schema: string | null = null,
): EncryptedTable {
  const described = columns.map((column) => {
    const field = `Person.${column}`
    const definition = defineField({ name: field, fieldId: `person.${column}`, type: 'string' })
    const indexes = { exactColumn: null, rangeColumn: null, indexColumns: [], change: null }
    const owners = { subject: null, row: null, adopted: null }
    return {
      field,
      definition,
      column,
      form: 'bytea' as const,
      nullable: true,
      ...indexes,
      ...owners,
    }
  })
  return { schema, name, primaryKey, columns: described }
}

interface SealOptions {
  readonly pads?: Readonly<Record<string, number>>
  /** Canonical id of the data subject whose key seals. */
  readonly subject?: string | null
}

function contextOf(column: string, domain: string, { pads = {}, subject = null }: SealOptions) {
  const name = `Person.${column}`
  const field = { name, fieldId: `person.${column}`, domain, type: 'string' } as const
  return createFieldContext({ ...field, pad: pads[column], subject: subject !== null })
}

/** Seals the columns of one record under the keyring's active key, or the key of a subject. */
export async function seal(
  keyring: Keyring,
  record: Readonly<Record<string, string>>,
  options: SealOptions = {},
): Promise<Buffer[]> {
  const { subject = null } = options
  const key = (await keyAccess(keyring).sealingKeys([subject])).get(subject) as SealingKey
  const values = Object.entries(record).map(([column, value]) => ({
    field: contextOf(column, keyring.domain, options),
    encoded: encodeValue('string', value, column),
  }))
  const [sealed] = await sealRecords([{ key, values }])
  return sealed as Buffer[]
}

/** Opens one value, with whatever key it names. */
export async function open(
  keyring: Keyring,
  column: string,
  envelope: Buffer,
  options: SealOptions = {},
): Promise<unknown> {
  const { subject = null } = options
  const access = keyAccess(keyring)
  const context = contextOf(column, keyring.domain, options)
  const needed = createKeyRequest()
  needed.add(envelope, context)
  const { keyOf } = await access.keysFor(needed.request)
  const ref = subject === null ? undefined : (await access.subjectRefs([subject])).get(subject)
  return createOpener(keyOf).open(envelope, context, undefined, ref)
}

/** The key id that an envelope names. */
export const keyIdIn = (envelope: Buffer): string => envelope.toString('hex', 2, 10)
