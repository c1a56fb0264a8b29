import { describe, expect, it } from 'vitest'
import { isMortiseError } from '../../src/errors'
import type { FieldOptions } from '../../src/field'
import { defineIndexChange, type NextIndexes } from '../../src/field/index-change'

const field = (options: Partial<FieldOptions>): FieldOptions => ({
  name: 'Person.email',
  fieldId: 'person.email',
  type: 'string',
  ...options,
})

describe('defineIndexChange', () => {
  it.each<[string, Partial<FieldOptions>, NextIndexes, string | null, string | null]>([
    ['a new key', { exact: true }, {}, 'beside', null],
    ['a normaliser', { exact: true }, { exact: { normalize: 'email' } }, 'beside', null],
    ['a range beside tokens', { exact: true }, { range: { prefix: 1 } }, 'beside', 'own'],
    ['tokens beside a range', { range: { prefix: 1 } }, { exact: true }, 'own', null],
    ['a prefix', { range: { prefix: 1 } }, { range: { prefix: 2 } }, null, 'beside'],
    ['the first index', {}, { exact: true, range: { prefix: 2 } }, 'own', 'own'],
  ])('writes %s to its columns', (_what, options, next, exactColumn, rangeColumn) => {
    const { field: defined, change } = defineIndexChange(field(options), next)
    expect(change).toMatchObject({ exactColumn, rangeColumn })
    expect(defined.declaration.next).toEqual(change.next.declaration)
    expect(change.next.indexName).toEqual({
      kind: 'field',
      name: 'person.email',
      generation: 'next',
    })
    expect(change.final).not.toBe(change.next)
    expect(defined.indexName).toEqual({ kind: 'field', name: 'person.email' })
  })

  it.each<[string, Partial<FieldOptions>, unknown, RegExp]>([
    ['no object', { exact: true }, true, /takes an object/],
    ['an option that does not exist', { exact: true }, { exakt: true }, /no option 'exakt'/],
    ['taking an index away', { exact: true }, { exact: false }, /take an index away/],
    ['no change', { range: { prefix: 1 } }, { range: { prefix: 1 } }, /changes nothing/],
    ['nothing for a field without index', {}, {}, /changes nothing/],
    ['a group that is left', { exact: { group: 'g' } }, { exact: true }, /group \('g'\)/],
    ['a group that is joined', { exact: true }, { exact: { group: 'g' } }, /group \('g'\)/],
    ['another uniqueness', { exact: { unique: true } }, { exact: true }, /unique must be the same/],
    [
      'buckets of another type',
      { type: 'number', range: { step: 10 } },
      { range: { edges: [1, 2] } },
      /integer, and those of range double precision/,
    ],
  ])('refuses %s, and says what to do', (_what, options, next, message) => {
    const define = () => defineIndexChange(field(options), next as NextIndexes)
    expect(define).toThrow(message)
    try {
      define()
    } catch (error) {
      expect(isMortiseError(error, 'ERR_FIELD_INVALID')).toBe(true)
      expect((error as Error).message).toMatch(/^Person\.email/)
    }
  })
})
