// What is said of the samples of one contender.

/** The value below which a share of the numbers lies, between two of them where it falls there. */
export function quantile(numbers, share) {
  if (numbers.length === 0) throw new RangeError('no numbers')
  const sorted = [...numbers].sort((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const below = Math.floor(place)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below)
}

export const median = (numbers) => quantile(numbers, 0.5)

/** @returns median, quartiles, their distance (`iqr`), 95th percentile, extremes and the number of samples */
export function summarize(numbers) {
  const [min, p25, p50, p75, p95, max] = [0, 0.25, 0.5, 0.75, 0.95, 1].map((share) =>
    quantile(numbers, share),
  )
  return { median: p50, iqr: p75 - p25, p25, p75, p95, min, max, samples: numbers.length }
}
