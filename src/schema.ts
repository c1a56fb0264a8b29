import type { AdoptedPlace } from './adoption/adopted-place'
import type { AdoptionState } from './adoption/adoption-state'
import type { StoredForm } from './envelope/stored-form'
import { MortiseError } from './errors'
import type { Field } from './field'
import type { Query } from './key-store/store'
import type { Keyring } from './keys/keyring'

/** A physical column that holds envelopes. */
export interface EncryptedTableColumn {
  /** `Entity.property`, for reports. */
  readonly field: string
  /** Its context, values, tokens and buckets. */
  readonly definition: Field
  /** Column name in the database. */
  readonly column: string
  readonly form: StoredForm
  readonly nullable: boolean
  /** Column of the exact tokens; null without an exact index. */
  readonly exactColumn: string | null
  /** Column of the buckets, in clear; null without a range index. */
  readonly rangeColumn: string | null
  /** All columns of the field's tokens and buckets. Nullable where the field has a subject. */
  readonly indexColumns: readonly string[]
  /** What its indexes are declared to change to; null where nothing is. */
  readonly change: IndexChangeColumns | null
  /** The subject whose key seals the field; null for a field without one. */
  readonly subject: OwnerColumn<string> | null
  /** The primary key that the field is bound to; null where its values may be moved between rows. */
  readonly row: OwnerColumn<Buffer> | null
  /** The column that the field is being moved from; null where nothing is adopted. */
  readonly adopted: AdoptedTableColumn | null
}

/** A column whose values become those of an encrypted one. */
export interface AdoptedTableColumn {
  readonly place: AdoptedPlace
  /** As the application declares it. */
  readonly state: AdoptionState
  /**
   * The value as the application has it.
   *
   * @param stored - as a driver reads it, not NULL
   * @throws whatever the column's transformer throws
   */
  valueOf(stored: unknown): unknown
}

/** A change of a field's indexes, as `reindex` needs it. */
export interface IndexChangeColumns {
  /** Makes the tokens and buckets of the generation to come. */
  readonly next: Field
  /** Columns of the exact tokens; null where there are none. */
  readonly exact: ChangedColumns | null
  /** Columns of the buckets; null where these stay as they are. */
  readonly range: ChangedColumns | null
  /** Whether a unique constraint or index is over a column beside. */
  readonly isUnique: boolean
}

/** Where an index is and where the generation to come is written. */
export interface ChangedColumns {
  readonly own: string
  /** Null where the field had no such index: then the own column is written. */
  readonly beside: string | null
}

/** A column whose value, in its own row, says how the envelopes of that row are sealed. */
export interface OwnerColumn<Id extends string | Buffer> {
  readonly column: string
  /**
   * The canonical subject id, or the row id, of what the column holds.
   *
   * @param value - as a driver reads it, or in PostgreSQL's text form
   * @returns null for NULL
   * @throws ERR_VALUE_INVALID for a spelling that the column's type would not give back
   */
  idOf(value: unknown): Id | null
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
  /** Schema of the tables that mortise keeps beside the data; null for the search path. */
  readonly ownSchema: string | null
  /** One statement, in a transaction of its own. */
  readonly query: Query
  /** Several statements in one READ COMMITTED transaction: committed when `work` resolves. */
  readonly transaction: <T>(work: (query: Query) => Promise<T>) => Promise<T>
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
