import { checkValue } from '../envelope/codec'
import type { ValueType } from '../envelope/value-type'
import type { Bucketing, MakeBucketing } from './bucketing'
import { dateBuckets, timestampBuckets } from './calendar-buckets'
import { decimalBuckets } from './decimal-buckets'
import { declarationError } from './declaration-error'
import { edgeBuckets } from './edge-buckets'
import { prefixBuckets } from './prefix-buckets'
import { bigintSteps, numberSteps } from './step-buckets'

/**
 * What a range index keeps of a value, **in clear**. Exactly one of:
 *
 * - `step` (number, bigint): the value rounded down to a multiple; a bigint field takes a bigint.
 * - `decimals` (number): the value rounded down to that many decimals, 0 to 15.
 * - `truncate` (timestamp, date): the UTC year, month, day or hour; no hour for a date.
 * - `edges` (number, bigint, timestamp, date, string): how many of these rising edges are not above
 *   the value.
 * - `prefix` (string): the first 1 to 256 code points.
 *
 * A field with a range index answers `>`, `>=`, `<`, `<=`, Between, equality and ORDER BY.
 *
 * @see docs/leakage.md "Range indexes"
 */
export type RangeOption =
  | { readonly step: number | bigint }
  | { readonly decimals: number }
  | { readonly truncate: 'year' | 'month' | 'day' | 'hour' }
  | { readonly edges: readonly (number | bigint | string | Date)[] }
  | { readonly prefix: number }

type RangeKind = 'step' | 'decimals' | 'truncate' | 'edges' | 'prefix'

const BUCKETINGS: Record<RangeKind, Partial<Record<ValueType, MakeBucketing>>> = {
  step: { number: numberSteps, bigint: bigintSteps },
  decimals: { number: decimalBuckets },
  truncate: { timestamp: timestampBuckets, date: dateBuckets },
  edges: {
    number: edgeBuckets('number'),
    bigint: edgeBuckets('bigint'),
    timestamp: edgeBuckets('timestamp'),
    date: edgeBuckets('date'),
    string: edgeBuckets('string'),
  },
  prefix: { string: prefixBuckets },
}

/**
 * Builds the buckets of a declared range index.
 *
 * @param field - `Entity.property`, for errors
 * @throws ERR_FIELD_INVALID for a kind of range that the type has not, or a wrong parameter
 */
export function createBucketing(type: ValueType, option: RangeOption, field: string): Bucketing {
  const kind = rangeKind(option, field)
  const make = BUCKETINGS[kind][type]
  if (make === undefined) {
    throw declarationError(field, `a ${type} has no range by ${kind}; ${rangesOf(type)}`)
  }
  const bucketing = make((option as Record<RangeKind, unknown>)[kind], field)
  return { ...bucketing, bucketOf: (value) => bucketOfChecked(bucketing, type, value, field) }
}

function rangeKind(option: unknown, field: string): RangeKind {
  const keys = typeof option === 'object' && option !== null ? Object.keys(option) : []
  const [kind] = keys
  if (keys.length === 1 && kind !== undefined && Object.hasOwn(BUCKETINGS, kind)) {
    return kind as RangeKind
  }
  throw declarationError(
    field,
    `range takes exactly one of ${Object.keys(BUCKETINGS).join(', ')}, such as { step: 1000 }`,
  )
}

function rangesOf(type: ValueType): string {
  const kinds = Object.entries(BUCKETINGS).filter(([, byType]) => byType[type] !== undefined)
  if (kinds.length === 0) return 'leave the range index out'
  return `use ${kinds.map(([kind]) => kind).join(' or ')}`
}

/** The codec is the one place that knows which values a type takes. */
function bucketOfChecked(
  bucketing: Bucketing,
  type: ValueType,
  value: unknown,
  field: string,
): ReturnType<Bucketing['bucketOf']> {
  checkValue(type, value, field)
  return bucketing.bucketOf(value)
}
