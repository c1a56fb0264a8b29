import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tokenize } from '../../../src/typeorm/sql/tokens'

const read = (sql: string) => tokenize(sql).map(({ kind, value }) => `${kind} ${value}`)

describe('tokenize', () => {
  it.each<[string, string[]]>([
    ['p.Email', ['word p', 'punctuation .', 'word email']],
    ['"p"."Email"', ['quoted p', 'punctuation .', 'quoted Email']],
    ['"a""b"', ['quoted a"b']],
    [`'it''s'`, [`string it's`]],
    [`E'a\\'b' x`, [`string E'a\\'b'`, 'word x']],
    ['$$a " b$$ $t$ $$ $t$', ['string $$a " b$$', 'string $t$ $$ $t$']],
    [':a :...list.b $1', ['parameter a', 'parameter list.b', 'parameter $1']],
    ['x::text', ['word x', 'punctuation ::', 'word text']],
    ['x=-1', ['word x', 'operator =', 'operator -', 'number 1']],
    ['x@-1', ['word x', 'operator @-', 'number 1']],
    [
      'a<>b!=c>=d',
      ['word a', 'operator <>', 'word b', 'operator !=', 'word c', 'operator >=', 'word d'],
    ],
    ['1.5e-3 .5', ['number 1.5e-3', 'number .5']],
    [`a -- 'x\n/* "y" */ b`, ['word a', 'word b']],
    ['a--b', ['word a']],
    ['größe', ['word größe']],
  ])('%s', (sql, tokens) => {
    expect(read(sql)).toEqual(tokens)
  })

  it('takes every text, and every token stands where it says', () => {
    const text = fc.string({
      unit: fc.constantFrom(...`abE'"$:./-*=<>()[]1; \n\u{1f600}`),
      maxLength: 60,
    })
    fc.assert(
      fc.property(text, (sql) => {
        let end = 0
        for (const token of tokenize(sql)) {
          expect(token.start).toBeGreaterThanOrEqual(end)
          expect(sql.slice(token.start, token.end)).toBe(token.text)
          end = token.end
        }
      }),
    )
  })
})
