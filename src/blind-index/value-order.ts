import type { ValueType } from '../envelope/value-type'

/** Negative, zero or positive: `a` before, equal to, or after `b`. */
type Compare<T> = (a: T, b: T) => number

/**
 * Compares two values of one type as PostgreSQL orders them: strings by code point (collation
 * "C"), -0 equal to 0, false before true, bytes as unsigned octets.
 *
 * @param a - a value that the codec accepts for `type`; never null
 * @returns negative, zero or positive
 * @throws TypeError for `json`, which has no order
 */
export function compareValues(type: ValueType, a: unknown, b: unknown): number {
  const compare = ORDER[type]
  if (compare === null) throw new TypeError('json values have no order')
  return compare(a, b)
}

/**
 * Compares well-formed strings by code point, which is also the byte order of their UTF-8 form.
 *
 * JavaScript's `<` compares UTF-16 code units and puts U+1F600 before U+FF01.
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) return codePointRank(left) - codePointRank(right)
  }
  return a.length - b.length
}

/** Surrogates stand for code points above U+FFFF, so they rank after U+E000..U+FFFF. */
function codePointRank(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit
  return codeUnit < 0xe000 ? codeUnit + 0x2000 : codeUnit - 0x800
}

/** Compares what `<` orders totally; subtraction would make NaN of two infinities. */
export function compareScalars<T extends number | bigint | boolean | string>(a: T, b: T): number {
  if (a < b) return -1
  return a > b ? 1 : 0
}

const float = new DataView(new ArrayBuffer(8))

/** The largest double below a finite one; minus infinity below the lowest. */
export function nextBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE
  float.setFloat64(0, value)
  float.setBigInt64(0, float.getBigInt64(0) + (value > 0 ? -1n : 1n))
  return float.getFloat64(0)
}

const ORDER = {
  string: compareCodePoints,
  number: compareScalars,
  bigint: compareScalars,
  boolean: compareScalars,
  timestamp: (a: Date, b: Date) => a.getTime() - b.getTime(),
  // Four-digit years: the order of the text is the order of the days.
  date: compareScalars,
  bytes: Buffer.compare,
  json: null,
} as Record<ValueType, Compare<unknown> | null>
