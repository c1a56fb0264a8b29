import { describe, expect, it } from 'vitest'
import { readComparison } from '../../../src/typeorm/sql/comparison'
import { tokenize } from '../../../src/typeorm/sql/tokens'

/** The comparison around `x`, as its text and its kind. */
function asked(sql: string): string | undefined {
  const tokens = tokenize(sql)
  const at = tokens.findIndex(({ value }) => value === 'x')
  const read = readComparison(tokens, { first: at, last: at })
  const text = read && sql.slice(tokens[read.first]?.start, tokens[read.last]?.end)
  return read && `${read.question.kind}: ${text}`
}

describe('readComparison', () => {
  it.each<[string, string]>([
    ['x = :a', 'in: x = :a'],
    ['(x <> 5) AND y', 'in: x <> 5'],
    ['a OR :p >= x', 'compare: :p >= x'],
    ['x > -5', 'compare: x > -5'],
    ['-5 > x', 'compare: -5 > x'],
    ["x IN ('a', :b, :...c)", "in: x IN ('a', :b, :...c)"],
    ['x NOT IN (:...c)', 'in: x NOT IN (:...c)'],
    ['x = ANY(:c) OR y', 'in: x = ANY(:c)'],
    ['x <> ALL (:c)', 'in: x <> ALL (:c)'],
    ['x BETWEEN :a AND 5 AND y', 'between: x BETWEEN :a AND 5'],
    ["x NOT LIKE 'a%'", "like: x NOT LIKE 'a%'"],
    ['x IS NOT NULL', 'null: x IS NOT NULL'],
    ['y + 1 IS NULL AND x IS NULL', 'null: x IS NULL'],
    ['count(x) > 3', 'count: count(x)'],
    ['COUNT(DISTINCT (x))', 'countDistinct: COUNT(DISTINCT (x))'],
    ['CASE WHEN x = true THEN 1 END', 'in: x = true'],
    ['(x = :a) IS TRUE', 'in: x = :a'],
  ])('%s', (sql, read) => {
    expect(asked(sql)).toBe(read)
  })

  it.each([
    'lower(x) = :a',
    'x = lower(:a)',
    'x = :a || y',
    'y || x = :a',
    'x = :a::text',
    'x::text = :a',
    '-x = 5',
    'x = y',
    'x = ANY(ARRAY[1])',
    'x <> ANY(:c)',
    'x = ALL(:c)',
    'x IN (SELECT 1)',
    'x IN (:a, y)',
    "x LIKE E'a\\\\%'",
    'x LIKE :a ESCAPE y',
    'x ILIKE :a',
    'x ~ :a',
    'x BETWEEN SYMMETRIC :a AND :b',
    'x BETWEEN :a AND y',
    'y BETWEEN :a AND x',
    'x IS TRUE',
    'x = :a COLLATE "C"',
    'sum(DISTINCT x)',
    'x',
  ])('leaves %s to be refused', (sql) => {
    expect(asked(sql)).toBeUndefined()
  })
})
