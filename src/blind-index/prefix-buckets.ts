import { MortiseError } from '../errors'
import type { Bucket, Bucketing } from './bucketing'
import { declarationError } from './declaration-error'
import { compareCodePoints } from './value-order'

/** At most 4 bytes each, so that a B-tree entry (2,704 bytes) always has room for a prefix. */
const MAX_PREFIX = 256

/**
 * The first `prefix` code points, compared by code point (collation "C").
 *
 * `text` cannot hold U+0000, so a value with one inside its prefix is refused. Lone surrogates
 * never get here: no string field takes them.
 */
export function prefixBuckets(prefix: unknown, field: string): Bucketing {
  if (!isPrefix(prefix)) {
    throw declarationError(field, `range.prefix must be an integer from 1 to ${MAX_PREFIX}`)
  }
  return {
    parameters: `prefix:${prefix}`,
    columnType: 'text',
    collation: 'C',
    prefix,
    bucketOf: (value) => refuseNul(firstCodePoints(value as string, prefix), field),
    begins: (value) => firstCodePoints(value as string, prefix) === value,
    compare: (a: Bucket, b: Bucket) => compareCodePoints(String(a), String(b)),
  }
}

function isPrefix(prefix: unknown): prefix is number {
  return Number.isInteger(prefix) && Number(prefix) >= 1 && Number(prefix) <= MAX_PREFIX
}

function firstCodePoints(text: string, count: number): string {
  let end = 0
  for (let taken = 0; taken < count && end < text.length; taken++) {
    end += text.codePointAt(end)! > 0xffff ? 2 : 1
  }
  return text.slice(0, end)
}

function refuseNul(bucket: string, field: string): string {
  if (!bucket.includes('\0')) return bucket
  throw new MortiseError(
    'ERR_VALUE_INVALID',
    `${field}: U+0000 inside the prefix of its range index, which PostgreSQL text cannot hold`,
    { field },
  )
}
