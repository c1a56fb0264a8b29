import { MortiseError } from '../errors'
import type { FieldType, ValueOf } from '../field/field-type'
import { declareColumns, type EncryptedOptions } from './declaration'
import { inferType } from './infer-type'

/** A property decorator that the compiler only accepts on a property of type `V`. */
export type EncryptedDecorator<V> = <K extends string>(
  target: { readonly [P in K]?: V | null },
  property: K,
) => void

/** A property decorator where the type is inferred at run time. */
export type InferredDecorator = (target: object, property: string) => void

/**
 * Encrypts a property: the database holds an envelope, and the entity, `find`, `save`, `where` and
 * `order` go on working with the value.
 *
 * Every write of a row draws one DEK for all its encrypted properties. With `exact` the property is
 * found by equality, through a hidden `<property>_hmac` column; with `range` it is compared and
 * sorted, through a hidden `<property>_lofi` column that holds a coarser value **in clear**.
 *
 * @param type - one of `string`, `number`, `bigint`, `boolean`, `timestamp` (a Date), `date`
 *   (`'YYYY-MM-DD'`), `bytes`, `json`, or the matching constructor; without it the property's
 *   TypeScript type decides, or its `enum`, where that is unambiguous
 * @param options - indexes, column and what may leak; see {@link EncryptedOptions}
 * @returns a property decorator. NULL stays NULL in all three columns
 * @throws ERR_FIELD_INVALID for a declaration that cannot be encrypted, naming the fix
 * @throws ERR_LEAKAGE_NOT_ACCEPTED for an index that gives most values away, without a written reason
 * @see docs/leakage.md
 */
export function Encrypted<T extends FieldType>(
  type: T,
  options?: Omit<EncryptedOptions, 'type'>,
): EncryptedDecorator<ValueOf<T>>
export function Encrypted<T extends FieldType>(
  options: EncryptedOptions & { readonly type: T },
): EncryptedDecorator<ValueOf<T>>
export function Encrypted(options?: EncryptedOptions): InferredDecorator
export function Encrypted(
  typeOrOptions?: FieldType | EncryptedOptions,
  more: EncryptedOptions = {},
): InferredDecorator {
  const options: EncryptedOptions = isOptions(typeOrOptions)
    ? typeOrOptions
    : typeOrOptions === undefined
      ? more
      : { ...more, type: typeOrOptions }
  return (target, property) => {
    if (typeof property !== 'string') throw unsupportedDecorators()
    const entity = target.constructor as new () => unknown
    const type = options.type ?? inferType(target, property, options.enum)
    declareColumns(entity, property, { ...options, type })
  }
}

function isOptions(value: FieldType | EncryptedOptions | undefined): value is EncryptedOptions {
  return typeof value === 'object' && value !== null
}

function unsupportedDecorators(): MortiseError {
  return new MortiseError(
    'ERR_FIELD_INVALID',
    '@Encrypted needs "experimentalDecorators": true, as TypeORM\'s own decorators do',
  )
}
