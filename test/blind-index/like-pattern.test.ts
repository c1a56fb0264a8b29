import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { beginningWith, readLikePattern } from '../../src/blind-index/like-pattern'

describe('readLikePattern', () => {
  it.each<[string, string, string]>([
    ['Ab%', 'Ab', 'anything'],
    ['Ab%%', 'Ab', 'anything'],
    ['Ab', 'Ab', 'nothing'],
    ['', '', 'nothing'],
    ['A_c', 'A', 'wildcards'],
    ['A%c%', 'A', 'wildcards'],
    ['100\\%%', '100%', 'anything'],
    ['a\\\\b', 'a\\b', 'nothing'],
    ['a\\b', 'ab', 'nothing'],
  ])('%s', (pattern, prefix, rest) => {
    expect(readLikePattern(pattern)).toMatchObject({ prefix, rest })
  })

  it('refuses what the database refuses', () => {
    expect(readLikePattern('a\\')).toBeUndefined()
  })

  it.each<[string, string, boolean]>([
    ['A_e%', 'Abel', true],
    ['A_', 'A\u{1f600}', true],
    ['A_', 'Abc', false],
    ['a%', 'a\nb', true],
    ['a.c', 'abc', false],
    ['(^$)[]|/-+*?{}', '(^$)[]|/-+*?{}', true],
    ['a%', 'A', false],
  ])('%s against %s', (pattern, value, answer) => {
    expect(readLikePattern(pattern)?.matches(value)).toBe(answer)
  })

  it('matches what a regular expression of the same pattern matches', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\u{1f600}'), maxLength: 9 })
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '%', '_', '\u{1f600}') })
    fc.assert(
      fc.property(pattern, text, (like, value) => {
        const expression = new RegExp(`^${like.replace(/%/g, '.*').replace(/_/g, '.')}$`, 'su')
        expect(readLikePattern(like)?.matches(value)).toBe(expression.test(value))
      }),
    )
  })

  it('reads the pattern of a prefix as that prefix', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (prefix) => {
        expect(readLikePattern(beginningWith(prefix))).toMatchObject({ prefix, rest: 'anything' })
      }),
    )
  })
})
