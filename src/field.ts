import { createBucketing, type RangeOption } from './blind-index/bucket'
import type { Bucket, Bucketing } from './blind-index/bucketing'
import { checkLeakage } from './blind-index/leakage-check'
import { encodeForToken } from './blind-index/token'
import { encodeValue, sameValue } from './envelope/codec'
import { createFieldContext, type FieldContext } from './envelope/field-context'
import type { ValueType } from './envelope/value-type'
import { createExactIndex, type ExactIndex, type ExactOptions } from './field/exact-index'
import { type FieldType, resolveFieldType } from './field/field-type'
import { checkInSet, createValueSet, type EnumValues, type ValueSet } from './field/value-set'
import type { IndexDeclaration, IndexName } from './keys/access'

/** What a field declares about its values, its indexes, its length and what it may reveal. */
export interface FieldIndexOptions {
  /** Makes the field searchable by equality; `true` for the defaults. */
  readonly exact?: boolean | ExactOptions | undefined
  /** Makes the field searchable and sortable by a coarser value, kept **in clear**. */
  readonly range?: RangeOption | undefined
  /**
   * The only values that may be written: a TypeScript `enum`, or an array of strings or numbers. What
   * is stored already, and what is asked for, is not checked. An index on fewer than 100 values needs
   * `acceptLeakage`.
   */
  readonly enum?: EnumValues | undefined
  /** Hides the value's length in steps of this many bytes, 1 to 65,536. Off by default. */
  readonly pad?: number | undefined
  /**
   * Deflates strings and JSON of 256 bytes or more before they are sealed, where that makes them
   * shorter; `pad` comes after. May be added to a field that has values; to take it away, run `reencrypt`.
   *
   * The length of a compressed value tells how much of it repeats itself: whoever can put text of
   * their own beside a secret in one value, and sees the length, can find the secret out by trying.
   *
   * @defaultValue false
   * @see docs/leakage.md "Compression"
   */
  readonly compress?: boolean | undefined
  /** Why an index that gives most values away is acceptable here; at least 10 characters. */
  readonly acceptLeakage?: string | undefined
}

/** The declaration that {@link defineField} checks. */
export interface FieldOptions extends FieldIndexOptions {
  /** `Entity.property`, for errors. */
  readonly name: string
  /** The stable name that keys and AAD are bound to: 1 to 255 printable ASCII characters. */
  readonly fieldId: string
  readonly type: FieldType
  /** Binds each value to its row's primary key. */
  readonly bindRow?: boolean | undefined
  /** Seals each value under the key of its row's data subject. */
  readonly subject?: boolean | undefined
}

/** A checked field: envelope and indexes, without keys and without any ORM. */
export interface Field {
  /** `Entity.property`, for errors. */
  readonly name: string
  readonly fieldId: string
  readonly type: ValueType
  /** The only values that may be written; null where all of the type may be. */
  readonly values: ValueSet | null
  readonly exact: ExactIndex | null
  readonly bucketing: Bucketing | null
  /** What the key store compares before the first use. */
  readonly declaration: IndexDeclaration
  /** Whose key the exact tokens use. */
  readonly indexName: IndexName
  /** The field in one domain, for sealing and opening; computed once per domain. */
  context(domain: string): FieldContext
  /**
   * T = type byte | value, for sealing and change detection.
   *
   * @throws ERR_VALUE_INVALID for null, undefined, a value of another type, or one that is not in the
   *   field's enum
   */
  encode(value: unknown): Buffer
  /**
   * T after the normaliser, for `tokenOf`.
   *
   * @throws TypeError without an exact index
   */
  encodeForToken(value: unknown): Buffer
  /**
   * The value of the `_lofi` column.
   *
   * @throws TypeError without a range index
   */
  bucketOf(value: unknown): Bucket
  /** Equality of two application values as stored: -0 differs from 0, dates compare by time. */
  sameValue(a: unknown, b: unknown): boolean
}

const DEFAULT_DOMAIN = 'default'

/**
 * Checks a declaration and computes what every value of the field shares.
 *
 * @throws ERR_FIELD_INVALID naming the field, the option and the fix
 * @throws ERR_LEAKAGE_NOT_ACCEPTED for an index that needs a written reason
 * @throws ERR_CONFIG for a field id or group that is no identifier
 */
export function defineField(options: FieldOptions): Field {
  const { name, fieldId, range, acceptLeakage } = options
  const type = resolveFieldType(options.type, name)
  const values = createValueSet(type, options.enum, name)
  const exact = createExactIndex(type, options.exact, name)
  const bucketing = range === undefined ? null : createBucketing(type, range, name)
  const declaredValues = values?.size ?? null
  checkLeakage({ field: name, type, declaredValues, exact: exact !== null, range, acceptLeakage })
  return {
    name,
    fieldId,
    type,
    values,
    exact,
    bucketing,
    declaration: {
      fieldId,
      exact: declaredExact(exact),
      range: bucketing?.parameters ?? null,
      next: null,
    },
    indexName: indexName(fieldId, exact),
    context: contextPerDomain(options, type),
    encode: (value) => {
      const encoded = encodeValue(type, value, name)
      checkInSet(values, value, name)
      return encoded
    },
    encodeForToken: (value) =>
      encodeForToken(type, value, present(exact, name, 'exact').normalizer, name),
    bucketOf: (value) => present(bucketing, name, 'range').bucketOf(value),
    sameValue: (a, b) => sameValue(type, a, b),
  }
}

/** A class may live in several DataSources, each with the domain of its keyring. */
function contextPerDomain(options: FieldOptions, type: ValueType): Field['context'] {
  const { name, fieldId, bindRow: rowBound, subject, pad, compress: compressed } = options
  const create = (domain: string) =>
    createFieldContext({ name, domain, fieldId, type, rowBound, subject, pad, compressed })
  // Made at once, so that a wrong field id or pad is found here and not with the first row.
  const contexts = new Map([[DEFAULT_DOMAIN, create(DEFAULT_DOMAIN)]])
  return (domain) => {
    const known = contexts.get(domain)
    if (known) return known
    const context = create(domain)
    contexts.set(domain, context)
    return context
  }
}

function declaredExact(exact: ExactIndex | null): IndexDeclaration['exact'] {
  return exact && { normaliser: exact.normalizer.id, bits: exact.bits, group: exact.group }
}

function indexName(fieldId: string, exact: ExactIndex | null): IndexName {
  const group = exact?.group ?? null
  return group === null ? { kind: 'field', name: fieldId } : { kind: 'group', name: group }
}

function present<T>(index: T | null, name: string, kind: string): T {
  if (index === null) throw new TypeError(`${name} declares no ${kind} index`)
  return index
}
