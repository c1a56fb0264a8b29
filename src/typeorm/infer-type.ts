import { MortiseError } from '../errors'
import type { FieldType } from '../field/field-type'
import { type EnumValues, valuesOf } from '../field/value-set'

/** `reflect-metadata` adds this to the global Reflect; TypeORM loads it. */
type ReflectMetadata = { getMetadata?(key: string, target: object, property: string): unknown }

const INFERRED: ReadonlyMap<unknown, FieldType> = new Map<unknown, FieldType>([
  [String, 'string'],
  [Number, 'number'],
  [BigInt, 'bigint'],
  [Boolean, 'boolean'],
  [Date, 'timestamp'],
  [Uint8Array, 'bytes'],
  [Buffer, 'bytes'],
])

/**
 * The type of a property whose declaration names none: that of its enum's values, or what the
 * compiler recorded as `design:type`, where either leaves no doubt.
 *
 * @throws ERR_FIELD_INVALID naming what the compiler recorded and what to write
 */
export function inferType(
  target: object,
  property: string,
  values: EnumValues | undefined,
): FieldType {
  const designed = (Reflect as ReflectMetadata).getMetadata?.('design:type', target, property)
  const type = typeOfValues(values) ?? INFERRED.get(designed)
  if (type !== undefined) return type
  const field = `${target.constructor.name}.${property}`
  throw new MortiseError('ERR_FIELD_INVALID', `${field}: ${whyUnknown(designed)}`, { field })
}

function typeOfValues(values: EnumValues | undefined): FieldType | undefined {
  if (typeof values !== 'object' || values === null) return undefined
  const [type, ...others] = new Set(valuesOf(values).map((value) => typeof value))
  return others.length === 0 && (type === 'string' || type === 'number') ? type : undefined
}

function whyUnknown(designed: unknown): string {
  if (designed === Array) return "an array is sealed as JSON; write @Encrypted({ type: 'json', … })"
  if (designed === undefined) {
    return (
      'its type is not known at run time, because the compiler emits no decorator metadata (esbuild ' +
      "and tsx do not); name it: @Encrypted({ type: 'string', … })"
    )
  }
  const json =
    "for an object or an interface @Encrypted({ type: 'json', … }), which gives plain objects"
  if (designed === Object) {
    return (
      'its type is not known at run time (a union such as string | null, an interface, or a type ' +
      `alias); name it: @Encrypted({ type: 'string', … }), and ${json}`
    )
  }
  return `a class of its own is no type of mortise; name one: ${json}`
}
