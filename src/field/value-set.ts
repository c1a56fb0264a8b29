import { declarationError } from '../blind-index/declaration-error'
import type { ValueType } from '../envelope/value-type'
import { MortiseError } from '../errors'

/** The only values that a field may hold: an `enum` of TypeScript, or a list. */
export type EnumValues =
  | readonly (string | number)[]
  | { readonly [member: string]: string | number }

/** A checked closed set of values. */
export type ValueSet = ReadonlySet<string | number>

/**
 * The values of an enum. The names that TypeScript adds to the object of a numeric `enum`, to find
 * members by their value, are no values.
 */
export function valuesOf(declared: EnumValues): (string | number)[] {
  if (Array.isArray(declared)) return [...declared]
  const members = declared as Readonly<Record<string, string | number>>
  const isReverse = (key: string, name: string | number): boolean =>
    typeof name === 'string' && typeof members[name] === 'number' && String(members[name]) === key
  return Object.entries(members).flatMap(([key, value]) => (isReverse(key, value) ? [] : [value]))
}

/**
 * Checks the declaration of a closed set.
 *
 * @param name - `Entity.property`, for errors
 * @returns null where none is declared
 * @throws ERR_FIELD_INVALID naming the option and the fix
 */
export function createValueSet(
  type: ValueType,
  declared: EnumValues | undefined,
  name: string,
): ValueSet | null {
  if (declared === undefined) return null
  if (typeof declared !== 'object' || declared === null) {
    throw declarationError(name, 'enum takes an enum or an array of values')
  }
  if (type !== 'string' && type !== 'number') {
    throw declarationError(name, `enum is for strings and numbers, not for a ${type}`)
  }
  const values = valuesOf(declared)
  if (values.length === 0) throw declarationError(name, 'its enum has no values')
  const fits = (value: unknown) => (type === 'number' ? Number.isFinite(value) : isText(value))
  if (!values.every(fits)) {
    throw declarationError(name, `every value of its enum must be a ${type}, as the type says`)
  }
  return new Set(values)
}

/** @throws ERR_VALUE_INVALID for a value outside of the set; the message shows none */
export function checkInSet(set: ValueSet | null, value: unknown, name: string): void {
  if (set === null || set.has(value as string | number)) return
  throw new MortiseError(
    'ERR_VALUE_INVALID',
    `${name}: expected one of the ${set.size} values of its enum, received another ${typeof value}`,
    { field: name },
  )
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.isWellFormed()
}
