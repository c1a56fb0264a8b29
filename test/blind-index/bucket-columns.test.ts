import { PGlite } from '@electric-sql/pglite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBucketing } from '../../src/blind-index/bucket'
import { bucketedFields } from '../property/bucketed-fields'

// What bucketOf returns must be readable for its column, and compare() must be the column's own
// order, whatever the session's time zone and date style are.
describe('the column of buckets', () => {
  let database: PGlite

  beforeAll(async () => {
    database = new PGlite()
    await database.exec(`set timezone to 'Europe/Amsterdam'; set datestyle to 'SQL, DMY'`)
  })
  afterAll(() => database.close())

  it.each(Object.entries(bucketedFields))('holds and orders %s', async (_, field) => {
    const [range] = fc.sample(field.range, { numRuns: 1, seed: 1 })
    const { bucketOf, columnType, collation, compare } = createBucketing(field.type, range!, 'X.y')
    const buckets = fc.sample(field.value, { numRuns: 300, seed: 2 }).map(bucketOf)
    await database.exec(`
      drop table if exists bucketed;
      create table bucketed (
        position integer,
        lofi ${columnType} ${collation === null ? '' : `collate "${collation}"`}
      )`)
    for (const [position, bucket] of buckets.entries()) {
      await database.query('insert into bucketed values ($1, $2)', [position, bucket])
    }
    const found = await database.query<{ positions: number[] }>(
      'select array_agg(position order by position) positions from bucketed group by lofi order by lofi',
    )
    expect(found.rows.map((row) => row.positions)).toEqual(groupsInOrder(buckets, compare))
  })

  it('reads a truncated timestamp as the instant it is', async () => {
    const { bucketOf } = createBucketing('timestamp', { truncate: 'month' }, 'X.y')
    // In local mean time, 17 minutes and 30 seconds ahead: the offset that `pg` would round.
    const { rows } = await database.query<{ same: boolean }>(
      `select $1::timestamptz = to_timestamp($2::float8) same`,
      [bucketOf(new Date('1815-12-10T00:00:00Z')), Date.UTC(1815, 11, 1) / 1000],
    )
    expect(rows).toEqual([{ same: true }])
  })

  function groupsInOrder<T>(buckets: readonly T[], compare: (a: T, b: T) => number): number[][] {
    const groups: number[][] = []
    const positions = [...buckets.keys()].sort((a, b) => compare(buckets[a]!, buckets[b]!) || a - b)
    for (const [index, position] of positions.entries()) {
      const previous = positions[index - 1]
      const same = index > 0 && compare(buckets[previous!]!, buckets[position]!) === 0
      if (same) groups.at(-1)!.push(position)
      else groups.push([position])
    }
    return groups
  }
})
