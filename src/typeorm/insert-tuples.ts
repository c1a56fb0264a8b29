import type { EntityMetadata, ObjectLiteral } from 'typeorm'
import { type EncryptedColumn, sealedColumnsOf } from './encrypted-column'
import type { ColumnMetadata } from './internals'
import { Placeholder, type PlaceholderUse } from './placeholder'
import { type RowWrite, writtenValue } from './write-record'

/** An INSERT whose tuples are to be rendered. */
export interface TupleSource {
  readonly metadata: EntityMetadata
  readonly columns: readonly ColumnMetadata[]
  readonly valueSets: readonly ObjectLiteral[]
  /** The row of a value set, by index: the same object inserted twice is two rows. */
  rowOf(index: number): RowWrite
  /** The SQL of a value that is not of an encrypted property. */
  plain(index: number, column: ColumnMetadata): string
  /** Puts a value among the parameters of the statement. */
  add(value: unknown): string
}

/** A column that an encrypted property is written to. */
interface Place {
  readonly encrypted: EncryptedColumn
  /** Of the property among those of the entity. */
  readonly property: number
  readonly use: PlaceholderUse
}

/**
 * Renders the tuples of an INSERT. TypeORM would read each property once for each of its columns, and
 * ask for each value which of all the types of a driver its column has.
 *
 * @returns what stands after VALUES
 * @throws what {@link writtenValue} throws, ERR_VALUE_INVALID, ERR_ROW_UNKNOWN
 */
export function renderTuples(source: TupleSource): string {
  const { columns, valueSets } = source
  const sealed = sealedColumnsOf(source.metadata)
  const places = placesOf(sealed)
  const tuples = valueSets.map((values, index) => {
    const row = source.rowOf(index)
    const held = sealed.map((column) => writtenValue(column, values))
    const expressions = columns.map((column) => {
      const place = places.get(column)
      if (!place) return source.plain(index, column)
      const value = held[place.property]
      if (value === undefined) return 'DEFAULT'
      return source.add(value === null ? null : bind(place, value, row))
    })
    return `(${expressions.join(', ')})`
  })
  return tuples.join(', ')
}

function bind({ encrypted, use }: Place, value: unknown, row: RowWrite): Placeholder {
  const rowId = row.rowIdOf(encrypted)
  return Placeholder.bound(encrypted.field, use, value, row.recordOf(encrypted), rowId)
}

/** Columns of an index that changes are left to their transformers, which know all generations. */
function placesOf(sealed: readonly EncryptedColumn[]): ReadonlyMap<ColumnMetadata, Place> {
  const places = new Map<ColumnMetadata, Place>()
  sealed.forEach((encrypted, property) => {
    const { main, hmac, lofi, change } = encrypted
    places.set(main, { encrypted, property, use: 'seal' })
    if (hmac && !change) places.set(hmac, { encrypted, property, use: 'token' })
    if (lofi && !change) places.set(lofi, { encrypted, property, use: 'bucket' })
  })
  return places
}
