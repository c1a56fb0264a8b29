import type { EntityMetadata } from 'typeorm'
import type { FieldContext } from '../envelope/field-context'
import type { StoredForm } from '../envelope/stored-form'
import type { Field } from '../field'
import type { IndexChange } from '../field/index-change'
import type { IndexFace } from '../keys/access'
import type { ColumnMetadata } from './internals'
import type { RowColumn } from './row-column'
import type { SubjectColumn } from './subject-column'

/** One encrypted property of one entity in one DataSource: its field and its three columns. */
export interface EncryptedColumn {
  readonly field: Field
  /** The field in the domain of the DataSource's keyring. */
  readonly context: FieldContext
  /** Holds the envelope. */
  readonly main: ColumnMetadata
  /** How `main` holds it. */
  readonly form: StoredForm
  /** Holds the exact token; null without an exact index. */
  readonly hmac: ColumnMetadata | null
  /** Holds the bucket, in clear; null without a range index. */
  readonly lofi: ColumnMetadata | null
  /** All columns of tokens and buckets, those of a change included. */
  readonly hidden: readonly ColumnMetadata[]
  /** The ways to ask while its indexes change; null where nothing is declared to change. */
  readonly change: ChangingColumn | null
  /** Holds the subject whose key seals the value; null where a KEK does. */
  readonly subject: SubjectColumn | null
  /** Holds the primary key that the value is bound to; null where it may be moved between rows. */
  readonly row: RowColumn | null
}

/** One encrypted property with the field and the columns of each {@link IndexFace}. */
export interface ChangingColumn extends Readonly<Record<IndexFace, EncryptedColumn>> {
  readonly declared: IndexChange
}

const byColumn = new WeakMap<ColumnMetadata, EncryptedColumn>()
const byField = new WeakMap<Field, EncryptedColumn>()
const byMetadata = new WeakMap<EntityMetadata, readonly EncryptedColumn[]>()

/** Remembers the encrypted columns of an entity, once its metadata was built for a DataSource. */
export function registerEncryptedColumns(
  metadata: EntityMetadata,
  columns: readonly EncryptedColumn[],
): void {
  byMetadata.set(metadata, columns)
  for (const column of columns) {
    byColumn.set(column.main, column)
    byField.set(column.field, column)
    for (const face of column.change ? [column.change.next, column.change.final] : []) {
      byField.set(face.field, face)
    }
  }
}

/** The encrypted columns of an entity; empty for a plain one. */
export function encryptedColumnsOf(metadata: EntityMetadata): readonly EncryptedColumn[] {
  return byMetadata.get(metadata) ?? []
}

/** The encrypted column whose envelope column this is, or undefined for any other column. */
export function encryptedColumnOf(column: ColumnMetadata | undefined): EncryptedColumn | undefined {
  return column && byColumn.get(column)
}

/** In which way a column is asked. */
export function faceOf({ change, field }: EncryptedColumn): IndexFace {
  if (field === change?.next.field) return 'next'
  return field === change?.final.field ? 'final' : 'current'
}

/** The encrypted column that a field was bound to. */
export function encryptedColumnOfField(field: Field): EncryptedColumn {
  const column = byField.get(field)
  if (column) return column
  throw new RangeError(`${field.name} is not bound to a column`)
}
