import { MortiseError } from '../errors'
import type { Bucketing } from './bucketing'
import { declarationError } from './declaration-error'
import { compareScalars, nextBelow } from './value-order'

/**
 * floor(v / step) * step in IEEE doubles, -0 written as 0.
 *
 * Division, floor and multiplication by a positive step are each monotone under rounding, and so is
 * one after the other: also where the quotient underflows to 0, and where the product overflows to
 * an infinity, which `double precision` holds.
 */
export function numberSteps(step: unknown, field: string): Bucketing {
  if (typeof step !== 'number' || !Number.isFinite(step) || step <= 0) {
    throw declarationError(field, 'range.step must be a finite number above 0')
  }
  const bucketOf = (value: unknown) => Math.floor((value as number) / step) * step + 0
  return {
    parameters: `step:${step}`,
    columnType: 'double precision',
    collation: null,
    bucketOf,
    // Not `bucketOf(value) === value`: a quotient just below a whole number may round up to it.
    begins: (value) => bucketOf(nextBelow(value as number)) < bucketOf(value),
    compare: compareScalars,
  }
}

/** The nearest multiple of the step that is not above the value, as decimal text. */
export function bigintSteps(step: unknown, field: string): Bucketing {
  if (typeof step !== 'bigint' || step <= 0n) {
    throw declarationError(field, 'range.step of a bigint must be a bigint above 0, such as 1000n')
  }
  return {
    parameters: `step:${step}`,
    columnType: 'numeric',
    collation: null,
    bucketOf: (value) => decimalText(floorToStep(value as bigint, step), field),
    begins: (value) => (value as bigint) % step === 0n,
    compare: (a, b) => compareScalars(BigInt(a), BigInt(b)),
  }
}

function floorToStep(value: bigint, step: bigint): bigint {
  const remainder = value % step
  return value - (remainder < 0n ? remainder + step : remainder)
}

/** PostgreSQL's `numeric` has at most this many digits before the decimal point. */
const MAX_NUMERIC_DIGITS = 131_072

function decimalText(bucket: bigint, field: string): string {
  const text = bucket.toString()
  if (text.length - (bucket < 0n ? 1 : 0) <= MAX_NUMERIC_DIGITS) return text
  throw new MortiseError(
    'ERR_VALUE_INVALID',
    `${field}: a bigint with a range index has at most ${MAX_NUMERIC_DIGITS} digits`,
    { field },
  )
}
