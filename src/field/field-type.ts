import { declarationError } from '../blind-index/declaration-error'
import { VALUE_TYPES, type ValueType } from '../envelope/value-type'

/** How a declaration may name its type: one of the eight names, or the matching constructor. */
export type FieldType =
  | ValueType
  | StringConstructor
  | NumberConstructor
  | BigIntConstructor
  | BooleanConstructor
  | DateConstructor
  | Uint8ArrayConstructor

/** The application's type of a field: what goes in and comes out. */
export type ValueOf<T extends FieldType> = T extends 'string' | 'date' | StringConstructor
  ? string
  : T extends 'number' | NumberConstructor
    ? number
    : T extends 'bigint' | BigIntConstructor
      ? bigint
      : T extends 'boolean' | BooleanConstructor
        ? boolean
        : T extends 'timestamp' | DateConstructor
          ? Date
          : T extends 'bytes' | Uint8ArrayConstructor
            ? Uint8Array
            : unknown

/**
 * The value type that a declaration names.
 *
 * @param name - `Entity.property`, for errors
 * @throws ERR_FIELD_INVALID for anything else; a database type is answered with the mortise type
 */
export function resolveFieldType(type: unknown, name: string): ValueType {
  const resolved = CONSTRUCTORS.get(type) ?? VALUE_TYPES.find((known) => known === type)
  if (resolved !== undefined) return resolved
  const meant = typeof type === 'string' ? DATABASE_TYPES.get(type.toLowerCase()) : undefined
  throw declarationError(
    name,
    meant === undefined
      ? `unknown type; use one of ${VALUE_TYPES.join(', ')}`
      : `'${type}' is a type of the database, and the column is always bytea or text; use '${meant}'`,
  )
}

/** `Date` is an instant; a calendar date is a string and must be asked for by name. */
const CONSTRUCTORS: ReadonlyMap<unknown, ValueType> = new Map<unknown, ValueType>([
  [String, 'string'],
  [Number, 'number'],
  [BigInt, 'bigint'],
  [Boolean, 'boolean'],
  [Date, 'timestamp'],
  [Uint8Array, 'bytes'],
])

const DATABASE_TYPES: ReadonlyMap<string, ValueType> = namesByType({
  string: ['varchar', 'character varying', 'char', 'character', 'text', 'citext', 'uuid', 'enum'],
  number: [
    'int',
    'int2',
    'int4',
    'integer',
    'smallint',
    'numeric',
    'decimal',
    'float',
    'float4',
    'float8',
    'real',
    'double precision',
  ],
  bigint: ['int8'],
  boolean: ['bool'],
  timestamp: ['datetime', 'timestamptz', 'timestamp with time zone'],
  bytes: ['bytea', 'blob', 'buffer', 'binary', 'varbinary'],
  json: ['jsonb', 'simple-json', 'simple-array', 'object', 'array'],
})

function namesByType(names: Partial<Record<ValueType, string[]>>): Map<string, ValueType> {
  const types = Object.keys(names) as ValueType[]
  return new Map(types.flatMap((type) => names[type]!.map((name) => [name, type] as const)))
}
