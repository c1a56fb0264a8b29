import type { EntitySchemaColumnOptions } from 'typeorm'
import { MortiseError } from '../errors'
import type { FieldType, ValueOf } from '../field/field-type'
import { describeColumns, type EncryptedOptions } from './declaration'

/** The properties of `E` that hold a `V`; all of them where their types are not known. */
type PropertyHolding<E, V> = string &
  {
    [P in keyof E]-?: unknown extends E[P] ? P : E[P] extends V | null | undefined ? P : never
  }[keyof E]

/** What {@link encryptedColumn} takes: a property, and options with the type of its values. */
export type EncryptedColumnParameters<E, T extends FieldType = FieldType> = T extends FieldType
  ? [property: PropertyHolding<E, ValueOf<T>>, options: EncryptedOptions & { readonly type: T }]
  : never

/** Columns of an `EntitySchema`: that of the envelope under the property's name, and hidden ones. */
export type EncryptedColumns<E> = { [P in keyof E]?: EntitySchemaColumnOptions }

/**
 * Declares an encrypted property of an `EntitySchema`, as `@Encrypted` does in a class. Spread into
 * `columns`, since one property makes up to three of them:
 *
 * ```
 * columns: { id: { type: 'uuid', primary: true }, ...encryptedColumn('email', { type: 'string' }) }
 * ```
 *
 * `withEncryption` adds the SQL indexes. The property's name is checked against the schema's entity;
 * with `encryptedColumn<Patient>(…)` the type of its values is checked too. To be spread into the
 * schema of an embedded object likewise.
 *
 * @param property - name in the entity, the key that TypeORM's own column would have
 * @param options - as for `@Encrypted`; `type` is required, because a schema knows no types
 * @returns columns that refuse every read and write of a DataSource without `withEncryption`
 * @throws ERR_FIELD_INVALID for a declaration that cannot be encrypted, naming the fix
 * @throws ERR_LEAKAGE_NOT_ACCEPTED for an index that gives most values away, without a written reason
 * @see docs/leakage.md
 */
export function encryptedColumn<E = Record<string, unknown>>(
  ...[property, options]: EncryptedColumnParameters<E>
): EncryptedColumns<E> {
  if (options?.type === undefined) throw typeMissing(property)
  const columns = describeColumns(property, property, options as EncryptedOptions & typeof options)
  return Object.fromEntries(
    columns.map(({ propertyName, options: column }) => [propertyName, column]),
  ) as EncryptedColumns<E>
}

function typeMissing(property: string): MortiseError {
  return new MortiseError(
    'ERR_FIELD_INVALID',
    `${property}: an EntitySchema knows no types; name it: ` +
      `encryptedColumn('${property}', { type: 'string', … })`,
    { field: property },
  )
}
