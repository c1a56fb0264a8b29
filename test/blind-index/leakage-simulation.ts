import { createBucketing, type RangeOption } from '../../src/blind-index/bucket'
import type { Bucket } from '../../src/blind-index/bucketing'
import { resolveNormalizer } from '../../src/blind-index/normalize'
import { encodeForToken, tokenOf } from '../../src/blind-index/token'
import { secretKey } from '../../src/crypto/secret-key'

// The attacker of docs/leakage.md: holds a copy of one index column, knows the distribution of the
// values exactly and nothing else. Synthetic data only; every draw follows from a seed.

export const ROWS = 100_000

/** A seeded generator of numbers in [0, 1): mulberry32, which is enough for a simulation. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Probabilities of `size` values, the i-th in proportion to 1 / i^skew. */
export function zipf(size: number, skew: number): number[] {
  const weights = Array.from({ length: size }, (_, index) => (index + 1) ** -skew)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => weight / total)
}

/** How often each value occurs among {@link ROWS} independent draws. */
export function drawCounts(probabilities: readonly number[], random: () => number): number[] {
  const counts = probabilities.map(() => 0)
  for (let row = 0; row < ROWS; row++) counts[drawIndex(probabilities, random)]! += 1
  return counts
}

/** One draw: the index of a value. */
export function drawIndex(probabilities: readonly number[], random: () => number): number {
  let rest = random()
  for (let index = 0; index < probabilities.length - 1; index++) {
    rest -= probabilities[index]!
    if (rest < 0) return index
  }
  return probabilities.length - 1
}

/**
 * Frequency analysis: the most frequent token is taken for the most frequent value, and so on.
 *
 * @param counts - rows per value, the values in falling order of probability
 * @returns the share of rows whose value is guessed right
 */
export function rankMatch(counts: readonly number[], bits: number, seed: number): number {
  const tokens = tokensOf(counts.length, bits, seed)
  const rowsPerToken = new Map<string, number>()
  for (const [value, count] of counts.entries()) {
    rowsPerToken.set(tokens[value]!, (rowsPerToken.get(tokens[value]!) ?? 0) + count)
  }
  const byFrequency = [...rowsPerToken].sort(([, a], [, b]) => b - a).map(([token]) => token)
  const right = counts.filter((_, value) => byFrequency[value] === tokens[value])
  return right.reduce((sum, count) => sum + count, 0) / ROWS
}

function tokensOf(values: number, bits: number, seed: number): string[] {
  const key = { key: secretKey(Buffer.alloc(32, seed)), generation: 1, bits }
  const none = resolveNormalizer(undefined, 'X.y')
  return Array.from({ length: values }, (_, value) =>
    tokenOf(key, encodeForToken('number', value, none, 'X.y')).toString('hex'),
  )
}

/** What one column of buckets gives away about integers 0, 1, 2 …. */
export interface BucketReport {
  /** Share of rows guessed right: the most frequent value of each bucket. */
  readonly exact: number
  /** Mean distance of a guess from the truth: the median of each bucket. */
  readonly meanError: number
  readonly smallest: number
  /** Share of all rows that lie in the largest bucket. */
  readonly largest: number
  /** H(value | bucket), in bits. */
  readonly entropy: number
}

/** @param counts - rows per value */
export function bucketReport(counts: readonly number[], range: RangeOption | null): BucketReport {
  const groups = [...groupByBucket(counts, range).values()].filter((group) => sum(group) > 0)
  const sizes = groups.map(sum)
  return {
    exact: sum(groups.map((group) => Math.max(...group.values()))) / ROWS,
    meanError: sum(groups.map(distanceFromMedian)) / ROWS,
    smallest: Math.min(...sizes),
    largest: Math.max(...sizes) / ROWS,
    entropy: sum(groups.map(entropyWeight)) / ROWS,
  }
}

type Group = ReadonlyMap<number, number>

function groupByBucket(
  counts: readonly number[],
  range: RangeOption | null,
): Map<Bucket, Map<number, number>> {
  const bucketOf = range === null ? () => 0 : createBucketing('number', range, 'X.y').bucketOf
  const groups = new Map<Bucket, Map<number, number>>()
  for (const [value, count] of counts.entries()) {
    const bucket = bucketOf(value)
    groups.set(bucket, (groups.get(bucket) ?? new Map()).set(value, count))
  }
  return groups
}

function distanceFromMedian(group: Group): number {
  let seen = 0
  const total = sum(group)
  const [median] = [...group].find(([, count]) => {
    seen += count
    return seen * 2 >= total
  })!
  return sum([...group].map(([value, count]) => Math.abs(value - median) * count))
}

function entropyWeight(group: Group): number {
  const total = sum(group)
  return -sum([...group.values()].map((n) => (n === 0 ? 0 : n * Math.log2(n / total))))
}

/** Share of rows whose combination of column values occurs fewer than `k` times. */
export function shareBelow(rows: readonly string[], k: number): number {
  const sizes = new Map<string, number>()
  for (const row of rows) sizes.set(row, (sizes.get(row) ?? 0) + 1)
  return rows.filter((row) => sizes.get(row)! < k).length / rows.length
}

function sum(values: Iterable<number> | Group): number {
  let total = 0
  for (const value of values instanceof Map ? values.values() : values) total += value as number
  return total
}
