import type { Bucketing } from './bucketing'
import { declarationError } from './declaration-error'
import { compareScalars, nextBelow } from './value-order'

/** More decimals than a double can tell apart above 1 would be no bucket at all. */
const MAX_DECIMALS = 15

/**
 * floor(v * 10^d) / 10^d in IEEE doubles, -0 written as 0; every power up to 10^15 is exact.
 *
 * The product may round past the decimal that a reader expects (0.29 lies in 0.28 with two
 * decimals): buckets need order, not neat labels.
 */
export function decimalBuckets(decimals: unknown, field: string): Bucketing {
  if (!isDecimals(decimals)) {
    throw declarationError(field, `range.decimals must be an integer from 0 to ${MAX_DECIMALS}`)
  }
  const scale = Number(`1e${decimals}`)
  const bucketOf = (value: unknown) => Math.floor((value as number) * scale) / scale + 0
  return {
    parameters: `decimals:${decimals}`,
    columnType: 'double precision',
    collation: null,
    bucketOf,
    begins: (value) => bucketOf(nextBelow(value as number)) < bucketOf(value),
    compare: compareScalars,
  }
}

function isDecimals(decimals: unknown): decimals is number {
  return Number.isInteger(decimals) && Number(decimals) >= 0 && Number(decimals) <= MAX_DECIMALS
}
