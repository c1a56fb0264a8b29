import type { StoredForm } from './envelope/stored-form'
import { MortiseError } from './errors'
import type { Query } from './key-store/store'
import type { Keyring } from './keys/keyring'

/** A physical column that holds envelopes. */
export interface EncryptedTableColumn {
  /** `Entity.property`, for reports. */
  readonly field: string
  readonly fieldId: string
  /** Column name in the database. */
  readonly column: string
  readonly form: StoredForm
  /** Columns of the field's tokens and buckets. Nullable where the field has a subject. */
  readonly indexColumns: readonly string[]
  /** Column of the subject whose key seals the field; null for a field without one. */
  readonly subjectColumn: string | null
}

/** A table with encrypted columns, as SQL needs it. */
export interface EncryptedTable {
  /** Null for the connection's search path. */
  readonly schema: string | null
  readonly name: string
  readonly primaryKey: readonly string[]
  readonly columns: readonly EncryptedTableColumn[]
}

/**
 * Which tables and columns hold fields, and how to reach them: what an ORM layer tells and rotation
 * needs to know.
 */
export interface EncryptedSchema {
  readonly keyring: Keyring
  readonly tables: readonly EncryptedTable[]
  /** One statement, in a transaction of its own. */
  readonly query: Query
}

const schemas = new WeakMap<object, EncryptedSchema>()

/** Tells which tables a DataSource encrypts. */
export function registerSchema(target: object, schema: EncryptedSchema): void {
  schemas.set(target, schema)
}

/**
 * The tables that a DataSource encrypts.
 *
 * @throws ERR_CONFIG where it is not encrypted, or not initialized yet
 */
export function schemaOf(target: object): EncryptedSchema {
  const schema = schemas.get(target)
  if (schema) return schema
  throw new MortiseError(
    'ERR_CONFIG',
    'this DataSource has no encrypted tables: call withEncryption(dataSource, { keyring }) and ' +
      'await dataSource.initialize() first',
  )
}
