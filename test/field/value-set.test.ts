import { describe, expect, it } from 'vitest'
import { defineField, type FieldOptions } from '../../src/field'
import { valuesOf } from '../../src/field/value-set'

// @ts-expect-error: this project has no enums, users do
enum Role {
  Nurse = 'nurse',
  Doctor = 'doctor',
}

// @ts-expect-error: this project has no enums, users do
enum Level {
  Low,
  Mid = 5,
  High,
  Below = -1,
  Half = 0.5,
}

// @ts-expect-error: this project has no enums, users do
enum Mixed {
  None = 0,
  Some = 'Low',
}

const NAME = 'Patient.role'

function define(options: Partial<Record<keyof FieldOptions, unknown>>) {
  return defineField({ name: NAME, fieldId: 'patient.role', type: 'string', ...options } as never)
}

describe('the values of an enum', () => {
  it.each<[string, Parameters<typeof valuesOf>[0], unknown[]]>([
    ['of strings', Role, ['nurse', 'doctor']],
    ['of numbers, without the reverse mapping', Level, [-1, 0, 0.5, 5, 6]],
    ['of both', Mixed, [0, 'Low']],
    ['as a list', ['a', 'b', 'a'], ['a', 'b', 'a']],
    ['that is a plain object', { '0': 'zero', zero: 'x' }, ['zero', 'x']],
  ])('%s', (_what, declared, values) => {
    expect(valuesOf(declared).sort()).toEqual(values.sort())
  })

  it('are the only ones that are written', () => {
    const role = define({ enum: Role })
    expect(role.encode('nurse').toString('latin1')).toBe('\x01nurse')
    const level = define({ type: 'number', enum: Level })
    for (const value of [0, -0, 5, 6, -1, 0.5]) expect(level.encode(value)).toHaveLength(9)
    for (const [field, value] of [
      [role, 'Nurse'],
      [role, ''],
      [level, 1],
      [level, Number.NaN],
      [define({ enum: ['a'] }), 'b'],
    ] as const) {
      expect(() => field.encode(value)).toThrow(
        expect.objectContaining({ code: 'ERR_VALUE_INVALID', field: NAME }),
      )
    }
  })

  it('are not shown by the refusal of another one', () => {
    const refusing = () => define({ enum: Role }).encode('janitor')
    expect(refusing).toThrow('Patient.role: expected one of the 2 values of its enum')
    expect(refusing).not.toThrow(/janitor|nurse/)
  })

  it('are not asked of what is searched for', () => {
    const field = define({ enum: ['a'], exact: true, acceptLeakage: 'public anyway, reviewed' })
    expect(field.encodeForToken('b').toString('latin1')).toBe('\x01b')
  })

  it.each<[string, object]>([
    ['a type that is neither string nor number', { type: 'json', enum: ['a'] }],
    ['no values', { enum: [] }],
    ['values of another type', { type: 'number', enum: Role }],
    ['values of two types', { enum: Mixed }],
    ['a value that cannot be stored', { type: 'number', enum: [1, Number.NaN] }],
    ['a lone surrogate', { enum: ['\ud800'] }],
    ['something else', { enum: 'nurse' }],
  ])('are refused for %s', (_what, options) => {
    expect(() => define(options)).toThrow(
      expect.objectContaining({ code: 'ERR_FIELD_INVALID', field: NAME }),
    )
  })

  const many = (count: number) => Array.from({ length: count }, (_, i) => `value ${i}`)
  it.each<[string, object]>([
    ['an exact index on two', { enum: Role, exact: true }],
    ['an exact index on 99', { enum: many(99), exact: { bits: 8 } }],
    ['a range index', { type: 'number', enum: Level, range: { step: 2 } }],
  ])('need a written reason for %s', (_what, options) => {
    expect(() => define(options)).toThrow(
      expect.objectContaining({ code: 'ERR_LEAKAGE_NOT_ACCEPTED', field: NAME }),
    )
    expect(() => define({ ...options, acceptLeakage: 'shown on the door anyway' })).not.toThrow()
  })

  it.each<[string, object]>([
    ['no index', { enum: Role }],
    ['an exact index on 100', { enum: many(100), exact: true }],
    ['edges', { type: 'number', enum: Level, range: { edges: [1] } }],
  ])('need none for %s', (_what, options) => {
    expect(() => define(options)).not.toThrow()
  })
})
