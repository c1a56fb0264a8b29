import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { encodeValue } from '../../src/envelope/codec'
import { createFieldContext } from '../../src/envelope/field-context'
import { createOpener } from '../../src/envelope/open'
import { sealRecord } from '../../src/envelope/seal'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore, Query } from '../../src/key-store/store'
import { createKeyring, type Keyring, keyAccess } from '../../src/keys/keyring'
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
} {
  let database: TestDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await createDatabase()
    pool = new Pool({ connectionString: database.url, max: 5 })
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
    target: (keyring, ...tables) => {
      const target: Target = { keyring, sent: [], before: undefined }
      const query: Query = async (sql, parameters) => {
        await target.before?.(sql)
        const { rows } = await pool.query(sql, [...parameters])
        target.sent.push({ sql, parameters, rows })
        return rows
      }
      registerSchema(target, { keyring, tables, query })
      return target
    },
  }
}

/** Keys in memory that every use reads anew; two with one store and secret are two processes. */
export function makeKeyring({
  store = memoryKeyStore(),
  secret = generateRootKey(),
  epochPollMs = 0,
}: {
  store?: KeyStore
  secret?: string
  epochPollMs?: number
} = {}): Keyring {
  const provider = inAppKeyProvider({ name: 'main', secret })
  return createKeyring({ providers: [provider], store, cache: { epochPollMs } })
}

/** A table of the schema under test with text fields in columns of their names. */
export function tableOf(
  name: string,
  primaryKey: readonly string[],
  columns: readonly string[] = ['email'],
  schema: string | null = null,
): EncryptedTable {
  const described = columns.map((column) => {
    const field = { field: `Person.${column}`, fieldId: `person.${column}` }
    return { ...field, column, indexColumns: [], subjectColumn: null }
  })
  return { schema, name, primaryKey, columns: described }
}

function contextOf(column: string, domain = 'default', pad: number | null = null) {
  const name = `Person.${column}`
  return createFieldContext({ name, fieldId: `person.${column}`, domain, type: 'string', pad })
}

/** Seals the columns of one record under the keyring's active key. */
export async function seal(
  keyring: Keyring,
  record: Readonly<Record<string, string>>,
  pads: Readonly<Record<string, number>> = {},
): Promise<Buffer[]> {
  const key = await keyAccess(keyring).sealingKey()
  const values = Object.entries(record).map(([column, value]) => ({
    field: contextOf(column, keyring.domain, pads[column]),
    encoded: encodeValue('string', value, column),
  }))
  return sealRecord(key, values)
}

/** Opens one value, with whatever key it names. */
export async function open(keyring: Keyring, column: string, envelope: Buffer): Promise<unknown> {
  const id = envelope.toString('hex', 2, 10)
  const keys = await keyAccess(keyring).openingKeys([id])
  const opener = createOpener((wanted) => keys.get(wanted) as never)
  return opener.open(envelope, contextOf(column, keyring.domain))
}

/** The key id that an envelope names. */
export const keyIdIn = (envelope: Buffer): string => envelope.toString('hex', 2, 10)
