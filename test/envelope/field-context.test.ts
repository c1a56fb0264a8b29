import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aadOf, createFieldContext } from '../../src/envelope/field-context'
import { encodeRowId } from '../../src/envelope/row-id'
import { refusal, testField } from './keys'

describe('a declaration', () => {
  test.each([0, -1, 1.5, 65_537, Number.NaN, Infinity])('with a pad of %d is refused', (pad) => {
    expect(() => testField({ pad })).toThrow(refusal('ERR_FIELD_INVALID'))
    expect(() => testField({ pad })).toThrow(/pad of Person\.name/)
  })

  test.each([1, 16, 65_536, null, undefined])('may have a pad of %o', (pad) => {
    expect(testField({ pad }).pad).toBe(pad ?? null)
  })

  test.each([
    { domain: '' },
    { domain: 'a b' },
    { domain: 'x'.repeat(65) },
    { fieldId: '' },
    { fieldId: 'é' },
    { fieldId: 'x'.repeat(256) },
  ])('with the names %o is refused', (names) => {
    expect(() => testField(names)).toThrow(refusal('ERR_CONFIG'))
  })
})

describe('AAD', () => {
  test('of a row-bound field needs a row id; another field leaves it out', () => {
    const rowId = encodeRowId('integer', 7)
    expect(() => aadOf(testField({ rowBound: true }), false)).toThrow(refusal('ERR_ROW_UNKNOWN'))
    expect(aadOf(testField(), false, rowId)).toEqual(aadOf(testField(), false))
  })

  test('is injective in flags, domain, field id and row id', () => {
    const identifier = fc.stringMatching(/^[!-~]{1,8}$/)
    const context = fc.record({
      domain: identifier,
      fieldId: identifier,
      rowBound: fc.boolean(),
      padded: fc.boolean(),
      rowId: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    })
    const aad = ({
      domain,
      fieldId,
      rowBound,
      padded,
      rowId,
    }: typeof context extends fc.Arbitrary<infer C> ? C : never) =>
      aadOf(
        createFieldContext({ name: 'f', type: 'string', domain, fieldId, rowBound }),
        padded,
        rowId,
      )
    const bound = (c: { rowBound: boolean; rowId: Uint8Array }) => ({
      ...c,
      rowId: c.rowBound ? [...c.rowId] : null,
    })
    fc.assert(
      fc.property(context, context, (a, b) => {
        const same = JSON.stringify(bound(a)) === JSON.stringify(bound(b))
        expect(aad(a).equals(aad(b))).toBe(same)
      }),
    )
  })

  test('does not run together where names shift their border', () => {
    const aad = (domain: string, fieldId: string) => aadOf(testField({ domain, fieldId }), false)
    expect(aad('ab', 'c')).not.toEqual(aad('a', 'bc'))
    const bound = testField({ rowBound: true })
    expect(aadOf(bound, false, Buffer.from('1'))).not.toEqual(aadOf(bound, true, Buffer.from('1')))
  })
})

test('IVs differ between fields and between domains', () => {
  const ivs = [
    testField(),
    testField({ fieldId: 'person.nam' }),
    testField({ domain: 'other' }),
    testField({ domain: 'defaul', fieldId: 'tperson.name' }),
  ].map(({ iv }) => iv.toString('hex'))
  expect(new Set(ivs).size).toBe(4)
  expect(ivs.every((iv) => iv.length === 24)).toBe(true)
})
