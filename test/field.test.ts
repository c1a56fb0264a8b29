import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { defineField, type FieldOptions } from '../src/field'

const NAME = 'Patient.email'

function define(options: Partial<Record<keyof FieldOptions, unknown>> = {}) {
  return defineField({ name: NAME, fieldId: 'patient.email', type: 'string', ...options } as never)
}

const invalid = (text: string) =>
  expect.objectContaining({
    code: 'ERR_FIELD_INVALID',
    field: NAME,
    message: expect.stringContaining(text),
  })

describe('defineField', () => {
  it('without indexes declares none', () => {
    expect(define()).toMatchObject({
      name: NAME,
      fieldId: 'patient.email',
      type: 'string',
      exact: null,
      bucketing: null,
      declaration: { fieldId: 'patient.email', exact: null, range: null },
      indexName: { kind: 'field', name: 'patient.email' },
    })
  })

  it('with exact: true has full tokens of its own key', () => {
    const field = define({ exact: true })
    expect(field.exact).toMatchObject({ bits: 128, group: null, unique: false })
    expect(field.declaration.exact).toEqual({ normaliser: '', bits: 128, group: null })
    expect(field.indexName).toEqual({ kind: 'field', name: 'patient.email' })
  })

  it('with exact: false has none', () => {
    expect(define({ exact: false }).exact).toBeNull()
  })

  it('declares normaliser, bits and group as the key store keeps them', () => {
    const field = define({ exact: { normalize: 'email', bits: 12, group: 'emails' } })
    expect(field.declaration.exact).toEqual({ normaliser: 'email@1', bits: 12, group: 'emails' })
    expect(field.indexName).toEqual({ kind: 'group', name: 'emails' })
  })

  it('declares its range parameters', () => {
    const field = define({ type: 'number', range: { step: 10_000 } })
    expect(field.declaration).toMatchObject({ exact: null, range: 'step:10000' })
    expect(field.bucketOf(52_340)).toBe(50_000)
  })

  it.each<[unknown, string]>([
    [String, 'string'],
    [Number, 'number'],
    [BigInt, 'bigint'],
    [Boolean, 'boolean'],
    [Date, 'timestamp'],
    [Uint8Array, 'bytes'],
    ['date', 'date'],
    ['json', 'json'],
  ])('takes %s for %s', (type, expected) => {
    expect(define({ type }).type).toBe(expected)
  })

  it.each([
    ['varchar', "'string'"],
    ['UUID', "'string'"],
    ['int', "'number'"],
    ['int8', "'bigint'"],
    ['timestamptz', "'timestamp'"],
    ['bytea', "'bytes'"],
    ['jsonb', "'json'"],
    ['money', 'string, number, bigint'],
    ['toString', 'string, number, bigint'],
    [Object, 'string, number, bigint'],
    [undefined, 'string, number, bigint'],
  ])('answers the type %s with %s', (type, fix) => {
    expect(() => define({ type })).toThrow(invalid(fix))
  })

  it.each<[string, Partial<Record<keyof FieldOptions, unknown>>, string]>([
    ['unique truncated tokens', { exact: { unique: true, bits: 127 } }, 'untruncated'],
    ['unique that is no boolean', { exact: { unique: 'yes' } }, 'unique'],
    ['bits below 8', { exact: { bits: 7 } }, 'bits'],
    ['a misspelt option', { exact: { normalise: 'email' } }, "'normalise'"],
    ['exact as text', { exact: 'email' }, 'exact takes'],
    ['exact as null', { exact: null }, 'exact takes'],
    ['an exact index on json', { type: 'json', exact: true }, 'json has no exact index'],
    ['a normaliser of numbers', { type: 'number', exact: { normalize: 'trim' } }, 'for strings'],
    ['an unknown normaliser', { exact: { normalize: 'upper' } }, 'unknown normaliser'],
    ['a range of another type', { range: { step: 5 } }, 'no range by step'],
    ['pad 0', { pad: 0 }, 'pad'],
    ['pad 1.5', { pad: 1.5 }, 'pad'],
    ['pad 65537', { pad: 65_537 }, 'pad'],
  ])('refuses %s', (_, options, text) => {
    expect(() => define(options)).toThrow(invalid(text))
  })

  it.each([
    ['a field id with a space', { fieldId: 'patient email' }],
    ['an empty field id', { fieldId: '' }],
    ['a field id of 256 characters', { fieldId: 'x'.repeat(256) }],
    ['a group with a space', { exact: { group: 'a b' } }],
    ['an empty group', { exact: { group: '' } }],
  ])('refuses %s', (_, options) => {
    expect(() => define(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })

  it('asks for a reason where an index leaks almost everything', () => {
    const options = { type: 'boolean', exact: true }
    expect(() => define(options)).toThrow(
      expect.objectContaining({ code: 'ERR_LEAKAGE_NOT_ACCEPTED', field: NAME }),
    )
    expect(define({ ...options, acceptLeakage: 'the flag is public anyway' }).exact).not.toBeNull()
  })

  it('computes the context of a domain once', () => {
    const field = define({ bindRow: true, pad: 64 })
    expect(field.context('clinic')).toBe(field.context('clinic'))
    expect(field.context('clinic')).toMatchObject({ domain: 'clinic', rowBound: true, pad: 64 })
    expect(field.context('clinic').iv).not.toEqual(field.context('default').iv)
  })

  it('encodes for sealing as given and for tokens as normalised', () => {
    const field = define({ exact: { normalize: 'lowercase' } })
    expect(field.encode('ADA')).toEqual(Buffer.from('\x01ADA'))
    expect(field.encodeForToken('ADA')).toEqual(Buffer.from('\x01ada'))
  })

  it.each([null, undefined, 1])('encodes no %s', (value) => {
    expect(() => define().encode(value)).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE_INVALID', field: NAME }),
    )
  })

  it('has no token and no bucket without the index', () => {
    expect(() => define().encodeForToken('Ada')).toThrow(TypeError)
    expect(() => define().bucketOf('Ada')).toThrow(TypeError)
  })

  it('knows when two values are stored alike', () => {
    const field = define({ type: 'timestamp' })
    expect(field.sameValue(new Date(5), new Date(5))).toBe(true)
    expect(define({ type: 'number' }).sameValue(0, -0)).toBe(false)
  })

  it('never quotes a value in its errors', () => {
    const field = define({ type: 'number', range: { step: 10 } })
    for (const call of [field.encode, field.bucketOf]) {
      try {
        call('secret-value')
        expect.fail('must throw')
      } catch (error) {
        expect(inspect(error)).not.toContain('secret-value')
      }
    }
  })
})
