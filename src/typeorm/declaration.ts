import {
  type EntitySchemaColumnOptions,
  getMetadataArgsStorage,
  type ValueTransformer,
} from 'typeorm'
import { ADOPTION_STATES, readsPlain } from '../adoption/adoption-state'
import type { Bucketing } from '../blind-index/bucketing'
import type { StoredForm } from '../envelope/stored-form'
import { MortiseError } from '../errors'
import { defineField, type Field, type FieldIndexOptions, type FieldOptions } from '../field'
import type { FieldType } from '../field/field-type'
import { defineIndexChange, type IndexChange, type NextIndexes } from '../field/index-change'
import { type AdoptDeclaration, describePlainColumn } from './plain-column'

/** What `@Encrypted` accepts beside the indexes. */
export interface EncryptedOptions extends FieldIndexOptions {
  /** One of the eight type names, or the matching constructor. Inferred where that is unambiguous. */
  readonly type?: FieldType | undefined
  /**
   * The stable name that envelopes are bound to; pin it before a table or property is renamed.
   *
   * @defaultValue `table.property.path`
   */
  readonly fieldId?: string | undefined
  /** Column name, as in `@Column`; the hidden columns are `<name>_hmac` and `<name>_lofi`. */
  readonly name?: string | undefined
  /**
   * Type of the envelope's column: `text` holds it as `mrt1.` and base64url, a third longer, for tools
   * that cannot carry bytes. Index columns stay what they are.
   *
   * @defaultValue 'bytea'
   */
  readonly column?: StoredForm | undefined
  readonly nullable?: boolean | undefined
  /**
   * The property of the same entity whose value names the data subject or tenant: the value is sealed
   * under that subject's own key, which `shred` destroys. A path from the entity (`'tenantId'`,
   * `'owner.id'` in an embedded one), of a text, uuid or integer column, or of a relation with one
   * join column.
   */
  readonly subject?: string | undefined
  /**
   * Binds each value to its row's primary key: an envelope that was copied to another row does not open.
   * The key is one column of type uuid, integer or text, and the application makes it; bulk updates,
   * and upserts on other columns than the key, are refused.
   *
   * @defaultValue false
   */
  readonly bindRow?: boolean | undefined
  /**
   * What `reindex` is to change `exact` and `range` to, while applications with and without it run side
   * by side; `{}` for a new index key alone. Adds hidden columns `<name>_hmac_next` and
   * `<name>_lofi_next`. When `reindex` has finished, its values take the place of `exact` and `range`.
   *
   * @see docs/how-to/change-an-index.md
   */
  readonly next?: NextIndexes | undefined
  /**
   * Moves the values of an existing column into the property, state by state, while applications from
   * before and after run side by side.
   *
   * @see docs/how-to/encrypt-existing-data.md
   */
  readonly adopt?: AdoptDeclaration | undefined
  /** As in `@Column`. */
  readonly select?: boolean | undefined
  /** As in `@Column`. */
  readonly insert?: boolean | undefined
  /** As in `@Column`. */
  readonly update?: boolean | undefined
  /** As in `@Column`. */
  readonly comment?: string | undefined
}

/** Which of an encrypted property's columns a TypeORM column is; `plain` is one that is adopted. */
export type ColumnRole = 'main' | 'hmac' | 'lofi' | 'hmac_next' | 'lofi_next' | 'plain'

/** The mark that links a TypeORM column to the declaration that made it. */
export interface ColumnMark {
  readonly role: ColumnRole
  /** What its property is named beyond the encrypted one; empty for that property itself. */
  readonly suffix: string
  readonly options: EncryptedOptions & { readonly type: FieldType }
}

const marks = new WeakMap<object, ColumnMark>()

/** The mark of a column's transformer; undefined for columns that mortise did not make. */
export function markOf(transformer: unknown): ColumnMark | undefined {
  return typeof transformer === 'object' && transformer !== null
    ? marks.get(transformer)
    : undefined
}

/** Carries a mark over to the transformer that a DataSource binds to its keyring. */
export function markTransformer(transformer: ValueTransformer, mark: ColumnMark): ValueTransformer {
  marks.set(transformer, mark)
  return transformer
}

const OPTIONS: readonly string[] = [
  ...['type', 'enum', 'exact', 'range', 'acceptLeakage', 'pad', 'compress', 'subject', 'bindRow'],
  ...['next', 'fieldId', 'name', 'column', 'nullable', 'select', 'insert', 'update', 'comment'],
  'adopt',
]

/** One TypeORM column of an encrypted property. */
export interface DeclaredColumn {
  readonly propertyName: string
  /** `unique` asks for a unique constraint on this column alone. */
  readonly options: EntitySchemaColumnOptions
}

/**
 * Checks a declaration and describes its columns: the envelope, and the hidden columns of its indexes.
 *
 * @param name - `Entity.property`, or `property` where the entity is not known yet
 * @throws ERR_FIELD_INVALID and ERR_LEAKAGE_NOT_ACCEPTED for a declaration that cannot be
 */
export function describeColumns(
  property: string,
  name: string,
  options: ColumnMark['options'],
): DeclaredColumn[] {
  checkOptions(options, name)
  const { field, change } = declaredField(options, name, options.fieldId ?? name)
  const { adopt } = options
  const roles: RoleColumn[] = [
    ['main', { type: options.column ?? 'bytea' }],
    ...ownColumns(field),
    ...(change ? changeColumns(change) : []),
  ]
  const own = roles.map(
    ([role, column]): RoleColumn => [role, { ...shared(options, role), ...column }],
  )
  const plain: RoleColumn[] = adopt ? [['plain', describePlainColumn(options, adopt, name)]] : []
  return [...plain, ...own].map(([role, column]) => {
    const suffix = suffixOf(role, options)
    const transformer = markTransformer(refusingTransformer(name), { role, suffix, options })
    return { propertyName: property + suffix, options: { ...column, transformer } }
  })
}

/** The property is the column that is read: all others are hidden ones beside it. */
export function suffixOf(role: ColumnRole, { adopt }: EncryptedOptions): string {
  const read = adopt && readsPlain(adopt.state) ? 'plain' : 'main'
  if (role === read) return ''
  return role === 'main' ? '_sealed' : `_${role}`
}

type RoleColumn = [role: ColumnRole, options: EntitySchemaColumnOptions]

function ownColumns({ exact, bucketing }: Field): RoleColumn[] {
  return [
    ...(exact ? [['hmac', { type: 'bytea', unique: exact.unique }] as RoleColumn] : []),
    ...(bucketing ? [['lofi', lofiColumn(bucketing)] as RoleColumn] : []),
  ]
}

/** Nullable, because rows that exist get their values from `reindex`. */
function changeColumns({ next, exactColumn, rangeColumn }: IndexChange): RoleColumn[] {
  return ownColumns(next).flatMap(([role, column]): RoleColumn[] => {
    const [place, beside] =
      role === 'hmac'
        ? ([exactColumn, 'hmac_next'] as const)
        : ([rangeColumn, 'lofi_next'] as const)
    return place === null ? [] : [[place === 'own' ? role : beside, { ...column, nullable: true }]]
  })
}

/**
 * Registers an encrypted property of a class with TypeORM: the envelope column and its hidden index
 * columns, as one declaration, so that schema synchronisation and migrations see them all.
 *
 * @param target - the class
 * @throws what {@link describeColumns} throws
 */
export function declareColumns(
  target: new (...parameters: never[]) => unknown,
  property: string,
  declared: ColumnMark['options'],
): void {
  const storage = getMetadataArgsStorage()
  for (const column of describeColumns(property, `${target.name}.${property}`, declared)) {
    const { propertyName, options } = column
    storage.columns.push({ target, propertyName, mode: 'regular', options })
    if (options.unique) storage.uniques.push({ target, columns: [propertyName] })
  }
}

/**
 * The field that a declaration describes, apart from columns and entities, and what its indexes are to
 * change to.
 *
 * @throws what `defineField` and `defineIndexChange` throw
 */
export function declaredField(
  options: ColumnMark['options'],
  name: string,
  fieldId: string,
): { readonly field: Field; readonly change: IndexChange | null } {
  const { subject, next, adopt: _, ...declared } = options
  const field: FieldOptions = { ...declared, name, fieldId, subject: subject !== undefined }
  return next === undefined
    ? { field: defineField(field), change: null }
    : defineIndexChange(field, next)
}

function lofiColumn({ columnType, collation }: Bucketing): EntitySchemaColumnOptions {
  return collation === null ? { type: columnType } : { type: columnType, collation }
}

/** The column options that the columns of a field have in common. */
function shared(
  options: EncryptedOptions,
  role: ColumnRole,
): Omit<EntitySchemaColumnOptions, 'type'> {
  const { name, nullable = false, insert = true, update = true, select, comment } = options
  return {
    // Shredding a subject empties the index columns of its values and leaves the envelopes. While a
    // column is adopted there are rows that are not sealed yet.
    nullable:
      nullable || options.adopt !== undefined || (role !== 'main' && options.subject !== undefined),
    insert,
    update,
    select: suffixOf(role, options) === '' ? (select ?? true) : false,
    ...(name === undefined ? {} : { name: role === 'main' ? name : `${name}_${role}` }),
    ...(comment === undefined || role !== 'main' ? {} : { comment }),
  }
}

function checkOptions(options: EncryptedOptions, name: string): void {
  const { column = 'bytea' } = options
  if (column !== 'bytea' && column !== 'text') {
    throw new MortiseError('ERR_FIELD_INVALID', `${name}: column must be 'bytea' or 'text'`, {
      field: name,
    })
  }
  const { adopt, next } = options
  const adoption =
    adopt && !ADOPTION_STATES.includes(adopt.state)
      ? `adopt.state must be one of ${ADOPTION_STATES.join(', ')}`
      : adopt && next
        ? 'adopt and next are not declared together: finish one of them first'
        : undefined
  if (adoption) throw new MortiseError('ERR_FIELD_INVALID', `${name}: ${adoption}`, { field: name })
  for (const key of Object.keys(options)) {
    if (OPTIONS.includes(key)) continue
    const problem = `there is no option '${key}'; use ${OPTIONS.join(', ')}`
    throw new MortiseError('ERR_FIELD_INVALID', `${name}: ${problem}`, { field: name })
  }
}

/**
 * Belongs to no DataSource and refuses both directions: an encrypted entity that is used without
 * `withEncryption` fails at the first read or write instead of storing plaintext.
 */
function refusingTransformer(field: string): ValueTransformer {
  const refuse = (value: unknown): unknown => {
    if (value === null || value === undefined) return value
    throw new MortiseError(
      'ERR_NOT_INSTALLED',
      `${field} is encrypted and this DataSource has no keyring: ` +
        'call withEncryption(dataSource, { keyring }) before dataSource.initialize()',
      { field },
    )
  }
  return { to: refuse, from: refuse }
}
