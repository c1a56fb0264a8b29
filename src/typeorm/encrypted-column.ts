import type { EntityMetadata } from 'typeorm'
import type { AdoptionState } from '../adoption/adoption-state'
import type { FieldContext } from '../envelope/field-context'
import type { StoredForm } from '../envelope/stored-form'
import type { Field } from '../field'
import type { IndexChange } from '../field/index-change'
import type { IndexFace } from '../keys/access'
import type { ColumnMetadata } from './internals'
import type { RowColumn } from './row-column'
import type { SubjectColumn } from './subject-column'

/** The column that a property is being moved from. */
export interface AdoptedColumn {
  readonly column: ColumnMetadata
  readonly state: AdoptionState
  /** Whether its transformer gives a value another form each time, so that no condition finds it. */
  readonly opaque: boolean
}

/** One encrypted property of one entity in one DataSource: its field and its columns. */
export interface EncryptedColumn {
  readonly field: Field
  /** The field in the domain of the DataSource's keyring. */
  readonly context: FieldContext
  /** The property's own column: `main`, or the adopted one while that is read. */
  readonly property: ColumnMetadata
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
  /** Held the values before, and still does; null where nothing is adopted. */
  readonly adopted: AdoptedColumn | null
}

/** One encrypted property with the field and the columns of each {@link IndexFace}. */
export interface ChangingColumn extends Readonly<Record<IndexFace, EncryptedColumn>> {
  readonly declared: IndexChange
}

const byProperty = new WeakMap<ColumnMetadata, EncryptedColumn>()
const byField = new WeakMap<Field, EncryptedColumn>()
const byMetadata = new WeakMap<EntityMetadata, readonly EncryptedColumn[]>()
/** Asked for every row that is written. */
const besideProperty = new WeakMap<EncryptedColumn, readonly ColumnMetadata[]>()

/** Remembers the encrypted columns of an entity, once its metadata was built for a DataSource. */
export function registerEncryptedColumns(
  metadata: EntityMetadata,
  columns: readonly EncryptedColumn[],
): void {
  byMetadata.set(metadata, columns)
  for (const column of columns) {
    byProperty.set(column.property, column)
    byField.set(column.field, column)
    for (const face of column.change ? [column.change.next, column.change.final] : []) {
      byField.set(face.field, face)
    }
  }
}

/** Whether envelopes are what is read: not yet where a column is adopted and its values are the true ones. */
function readsEnvelope({ main, property }: EncryptedColumn): boolean {
  return main === property
}

/** The columns of an entity that are read from envelopes; empty for a plain one. */
export function encryptedColumnsOf(metadata: EntityMetadata): readonly EncryptedColumn[] {
  const columns = sealedColumnsOf(metadata)
  return columns.every(readsEnvelope) ? columns : columns.filter(readsEnvelope)
}

/** The columns of an entity that writes seal: those that are read, and those that will be. */
export function sealedColumnsOf(metadata: EntityMetadata): readonly EncryptedColumn[] {
  return byMetadata.get(metadata) ?? []
}

/**
 * The columns of an entity that are still read in a form that no condition finds, each as a column
 * without any index.
 */
export function opaqueColumnsOf(metadata: EntityMetadata): EncryptedColumn[] {
  return sealedColumnsOf(metadata).flatMap((column) => {
    const { adopted } = column
    return adopted?.opaque ? [{ ...column, main: adopted.column, hmac: null, lofi: null }] : []
  })
}

/** The encrypted column whose envelope column this is, or undefined for any other column. */
export function encryptedColumnOf(column: ColumnMetadata | undefined): EncryptedColumn | undefined {
  const encrypted = sealedColumnOf(column)
  return encrypted && readsEnvelope(encrypted) ? encrypted : undefined
}

/** The encrypted column behind a property, whatever it is read from; undefined for any other. */
export function sealedColumnOf(column: ColumnMetadata | undefined): EncryptedColumn | undefined {
  return column && byProperty.get(column)
}

/** The columns beside that of the property: TypeORM knows them, and no entity shows them. */
export function hiddenColumnsOf(column: EncryptedColumn): readonly ColumnMetadata[] {
  const known = besideProperty.get(column)
  if (known) return known
  const { main, hidden, property, adopted } = column
  const all = [main, ...hidden, ...(adopted ? [adopted.column] : [])]
  const beside = all.filter((one) => one !== property)
  besideProperty.set(column, beside)
  return beside
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
