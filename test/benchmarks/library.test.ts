import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'

// Plain JavaScript without declarations: a path that is computed keeps the compiler from asking for them.
const load = (file: string) => import(resolve(__dirname, '../../benchmarks/lib', file))
let library: Awaited<ReturnType<typeof load>>

beforeAll(async () => {
  const files = ['statistics.mjs', 'interleave.mjs', 'report.mjs']
  library = Object.assign({}, ...(await Promise.all(files.map(load))))
})

describe('statistics', () => {
  it('takes quantiles between two samples, in whatever order they come', () => {
    const { median, quantile } = library
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(quantile([10, 20, 30, 40, 50], 0.25)).toBe(20)
    expect(quantile([0, 10], 0.95)).toBeCloseTo(9.5)
    expect(quantile([7], 0.95)).toBe(7)
    expect(() => median([])).toThrow(RangeError)
  })

  it('summarizes without changing the samples', () => {
    const { summarize } = library
    const samples = [100, 1, 2, 3, 4]
    expect(summarize(samples)).toEqual({
      ...{ min: 1, p25: 2, median: 3, p75: 4, max: 100, iqr: 2, samples: 5 },
      p95: expect.closeTo(80.8),
    })
    expect(samples).toEqual([100, 1, 2, 3, 4])
  })
})

describe('interleave', () => {
  it('asks every contender once in each round, in changing orders, and forgets the warm-up', async () => {
    const { interleave } = library
    const asked: string[] = []
    const contender = (name: string) => [name, async () => asked.push(name)] as const
    const names = ['a', 'b', 'c', 'd']
    const samples = await interleave(new Map(names.map(contender)), { rounds: 6, warmUp: 2 })
    expect(asked).toHaveLength(8 * names.length)
    const rounds = Array.from({ length: 8 }, (_, i) => asked.slice(i * 4, i * 4 + 4))
    for (const round of rounds) expect([...round].sort()).toEqual(names)
    expect(new Set(rounds.map(String)).size).toBeGreaterThan(2)
    for (const name of names) {
      expect(samples.get(name)).toHaveLength(6)
      expect(Math.min(...samples.get(name))).toBeGreaterThan(2 * names.length)
    }
  })
})

describe('report', () => {
  const conditions = {
    ...{ date: '2026-11-30', node: '24.21.0', machine: '2 x CPU', typeorm: '1.1.1' },
    ...{ postgres: '18.4', mortise: '0.1.0', rows: 10_000, nativePath: true },
  }
  const run = (measured: Record<string, number | undefined>, node = '24.21.0') => ({
    part: 'page',
    conditions: { ...conditions, node },
    tables: [{ title: 'find', columns: ['', 'ms'], rows: [['plain', 12_345.6]] }],
    measurements: {},
    measured,
  })

  it('keeps three digits', () => {
    const { number } = library
    expect([0, 0.004567, 1.2345, 12.345, 123.45, 1_234_567].map(number)).toEqual([
      ...['0.00', '0.005', '1.23', '12.3', '123', '1,234,567'],
    ])
    expect([null, undefined, Number.NaN].map(number)).toEqual(['', '', 'NaN'])
  })

  it('names the conditions below each table', () => {
    const { renderRun } = library
    expect(renderRun(run({}))).toBe(
      `## page, Node 24.21.0

### find

|  | ms |
| --- | --: |
| plain | 12,346 |

*Node 24.21.0; PostgreSQL 18.4; TypeORM 1.1.1; mortise 0.1.0; rows 10000; native path on; 2 x CPU; 2026-11-30*`,
    )
  })

  it('says of each goal whether it was reached, with the limit of its Node', () => {
    const { renderGoals } = library
    const name = 'find 10,000 rows, native / typeorm-encrypted'
    const calls = 'provider calls to read cold / KEK versions'
    const jobs = 'rewrap rows per second / UPDATE in pages'
    const text = renderGoals([
      run({ [name]: 0.3 }, '20.20.2'),
      run({ [name]: 0.3, [calls]: 2, [jobs]: 0.3, other: 1 }),
      run({ [jobs]: 0.6, [calls]: undefined }, '20.20.2'),
    ])
    expect(text.split('\n').filter((line: string) => /\d/.test(line))).toEqual([
      `| ${name} | 20.20.2 | <= 0.5 | 0.30 | yes |`,
      `| ${name} | 24.21.0 | <= 0.15 | 0.30 | no: 2.00 times the limit |`,
      `| ${jobs} | 24.21.0 | >= 0.6 | 0.30 | no: 0.50 times the limit |`,
      `| ${jobs} | 20.20.2 | >= 0.6 | 0.60 | yes |`,
      `| ${calls} | 24.21.0 | 1 | 2.00 | no: 2.00 times the limit |`,
    ])
    expect(renderGoals([run({})])).toBeNull()
  })

  it('writes Markdown and JSON into folders that it makes, and adds to them', () => {
    const { renderRun, withEarlier, writeReport } = library
    const folder = mkdtempSync(join(tmpdir(), 'mortise-report-'))
    try {
      const markdown = join(folder, 'a', 'results.md')
      const json = join(folder, 'b', 'results.json')
      writeReport([run({})], { markdown, json })
      expect(readFileSync(markdown, 'utf8')).toContain(renderRun(run({})))
      expect(JSON.parse(readFileSync(json, 'utf8')).runs[0].conditions).toEqual(conditions)
      const again = run({ again: 1 })
      const other = run({ other: 1 }, '20.20.2')
      expect(withEarlier([again], json)).toEqual([again])
      expect(withEarlier([other], json)).toEqual([run({}), other])
      expect(withEarlier([other], join(folder, 'none.json'))).toEqual([other])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
