import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { RangeOption } from '../../src/blind-index/bucket'
import {
  bucketReport,
  drawCounts,
  drawIndex,
  ROWS,
  rankMatch,
  seededRandom,
  shareBelow,
  zipf,
} from './leakage-simulation'

// The tables of docs/leakage.md are what this simulation gives, through mortise's own functions. A
// failure shows the row that belongs in the document.
const DOCUMENT = readFileSync(join(__dirname, '../../docs/leakage.md'), 'utf8')
const SEEDS = [1, 2, 3, 4, 5]

const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
const mean = (values: number[]) => values.reduce((total, value) => total + value, 0) / values.length

describe('docs/leakage.md', () => {
  it.each([
    [2, 1],
    [50, 0.5],
    [50, 1],
    [50, 1.5],
    [1000, 0.5],
    [1000, 1],
    [1000, 1.5],
  ])('shows what tokens of %d values with skew %d give away', (size, skew) => {
    const probabilities = zipf(size, skew)
    const trials = SEEDS.map((seed) => drawCounts(probabilities, seededRandom(seed)))
    const recovered = [128, 12, 8].map((bits) =>
      percent(mean(trials.map((counts, trial) => rankMatch(counts, bits, SEEDS[trial]!)))),
    )
    expect(DOCUMENT).toContain(
      `| ${[size, skew.toFixed(1), percent(probabilities[0]!), ...recovered].join(' | ')} |`,
    )
  })

  const ages = drawCounts(bellCurve(100, 45, 18), seededRandom(7))
  it.each<[string, RangeOption | null]>([
    ['no index', null],
    ['`step: 5`', { step: 5 }],
    ['`step: 10`', { step: 10 }],
    ['`step: 20`', { step: 20 }],
    ['`edges` at the nine deciles', { edges: quantiles(ages, 10) }],
    ['`edges` at the four quintiles', { edges: quantiles(ages, 5) }],
  ])('shows what ages by %s give away', (label, range) => {
    const { exact, meanError, smallest, largest, entropy } = bucketReport(ages, range)
    const cells = [
      label,
      percent(exact),
      meanError.toFixed(1),
      smallest.toLocaleString('en'),
      percent(largest),
      entropy.toFixed(2),
    ]
    expect(DOCUMENT).toContain(`| ${cells.join(' | ')} |`)
  })

  it('shows how columns single out rows together', () => {
    const random = seededRandom(11)
    const [cities, incomes] = [zipf(1000, 1), bellCurve(20, 5, 3)]
    const rows = Array.from({ length: ROWS }, () => [
      `month ${Math.floor(random() * 960)}`,
      `city ${drawIndex(cities, random)}`,
      `income ${drawIndex(incomes, random)}`,
    ])
    const table = [[0], [1], [2], [0, 1], [1, 2], [0, 1, 2]].map((columns) => {
      const tuples = rows.map((row) => columns.map((column) => row[column]).join())
      const names = columns.map((column) => ['birth month', 'city', 'income'][column]).join(' + ')
      return `| ${names} | ${percent(shareBelow(tuples, 2))} | ${percent(shareBelow(tuples, 5))} |`
    })
    expect(DOCUMENT).toContain(table.join('\n'))
  })
})

/** Integers 0 … size - 1 under a normal density, cut at both ends. */
function bellCurve(size: number, centre: number, deviation: number): number[] {
  const weights = Array.from({ length: size }, (_, value) =>
    Math.exp(-((value - centre) ** 2) / (2 * deviation ** 2)),
  )
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => weight / total)
}

/** The values that cut the rows into `parts` of about equal size. */
function quantiles(counts: readonly number[], parts: number): number[] {
  const edges: number[] = []
  let seen = 0
  for (const [value, count] of counts.entries()) {
    if (seen >= (ROWS * (edges.length + 1)) / parts && edges.length < parts - 1) edges.push(value)
    seen += count
  }
  return edges
}
