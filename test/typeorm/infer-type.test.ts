import 'reflect-metadata'
import { getMetadataArgsStorage } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { Encrypted, type EncryptedOptions } from '../../src/typeorm'
import { markOf } from '../../src/typeorm/declaration'

// @ts-expect-error: this project has no enums, users do
enum Role {
  Nurse = 'nurse',
  Doctor = 'doctor',
}

// @ts-expect-error: this project has no enums, users do
enum Level {
  Low,
  High = 10,
  Below = -1,
}

// @ts-expect-error: this project has no enums, users do
enum Mixed {
  None = 0,
  Some = 'some',
}

/** What a compiler records for a property, `undefined` for one that records nothing. */
function declare(designed: unknown, options?: EncryptedOptions): string {
  class Patient {}
  if (designed !== undefined) {
    Reflect.defineMetadata('design:type', designed, Patient.prototype, 'value')
  }
  Encrypted(options)(Patient.prototype, 'value')
  const columns = getMetadataArgsStorage().columns.filter(({ target }) => target === Patient)
  return String(markOf(columns[0]?.options.transformer)?.options.type)
}

describe('the type of a property', () => {
  it.each<[unknown, string]>([
    [String, 'string'],
    [Number, 'number'],
    [BigInt, 'bigint'],
    [Boolean, 'boolean'],
    [Date, 'timestamp'],
    [Uint8Array, 'bytes'],
    [Buffer, 'bytes'],
  ])('follows from design:type: %o', (designed, type) => {
    expect(declare(designed)).toBe(type)
  })

  it('is the declared one, whatever the compiler recorded', () => {
    expect(declare(Object, { type: 'json' })).toBe('json')
    expect(declare(String, { type: 'date' })).toBe('date')
    expect(declare(undefined, { type: 'bytes' })).toBe('bytes')
  })

  it.each<[string, EncryptedOptions['enum'], string]>([
    ['a string enum', Role, 'string'],
    ['a numeric enum', Level, 'number'],
    ['a list of strings', ['a', 'b'], 'string'],
    ['a list of numbers', [1, 2], 'number'],
  ])('follows from %s, also of a union', (_what, values, type) => {
    expect(declare(Object, { enum: values })).toBe(type)
    expect(declare(undefined, { enum: values })).toBe(type)
  })

  it.each<[string, unknown, RegExp, EncryptedOptions?]>([
    ['an array', Array, /an array is sealed as JSON; write @Encrypted\(\{ type: 'json'/],
    ['a union', Object, /a union such as string \| null.*name it: @Encrypted\(\{ type: 'string'/],
    ['a union with an enum of both kinds', Object, /name it/, { enum: Mixed }],
    ['a class', Map, /a class of its own.*type: 'json'/],
    ['a symbol', Symbol, /type: 'json'/],
    ['no metadata', undefined, /emits no decorator metadata \(esbuild.*@Encrypted\(\{ type: /],
  ])('must be named for %s', (_what, designed, message, options) => {
    expect(() => declare(designed, options)).toThrow(
      expect.objectContaining({
        code: 'ERR_FIELD_INVALID',
        field: 'Patient.value',
        message: expect.stringMatching(message),
      }),
    )
  })

  it('is recorded by this compiler for a class', () => {
    class Visit {
      @Encrypted() note!: string
      @Encrypted() minutes!: number
      @Encrypted() total!: bigint
      @Encrypted() urgent!: boolean
      @Encrypted() at!: Date
      @Encrypted() scan!: Uint8Array
      @Encrypted() thumbnail!: Buffer
    }
    const columns = getMetadataArgsStorage().columns.filter(({ target }) => target === Visit)
    expect(columns.map(({ options }) => markOf(options.transformer)?.options.type)).toEqual([
      ...['string', 'number', 'bigint', 'boolean', 'timestamp', 'bytes', 'bytes'],
    ])
  })

  it('is checked against the property by the compiler', () => {
    class Checked {
      @Encrypted('string') a!: string
      @Encrypted('string', { nullable: true }) b!: string | null
      @Encrypted({ type: 'string', enum: Role }) c!: Role
      @Encrypted({ type: 'number', enum: Level }) d?: Level
      @Encrypted(Date) e!: Date
      @Encrypted('bytes') f!: Buffer
      @Encrypted('json') g!: { deep: string[] }[]
      @Encrypted('date') h!: string
      @Encrypted(BigInt) i!: bigint
      // @ts-expect-error: a number field stands on a number property
      @Encrypted('number') j!: string
      // @ts-expect-error: an instant is a Date
      @Encrypted({ type: 'timestamp' }) k!: string
      // @ts-expect-error: a calendar date is a string
      @Encrypted('date') l!: Date
      // @ts-expect-error: a union with something else
      @Encrypted('string') m!: string | number
      // @ts-expect-error: a type of the database
      @Encrypted({ type: 'boolean' }) n!: string
      // @ts-expect-error: bigint is no number
      @Encrypted(BigInt) o!: number
      // @ts-expect-error: a method
      @Encrypted('string') p(): string {
        return ''
      }
    }
    expect(new Checked()).toBeInstanceOf(Checked)
    // @ts-expect-error: a type of the database
    const unknownType = () => Encrypted('varchar')
    // @ts-expect-error: an option that does not exist
    const unknownOption = () => Encrypted({ type: 'string', normalise: 'email' })
    // @ts-expect-error: another kind of column
    const unknownColumn = () => Encrypted({ type: 'string', column: 'jsonb' })
    for (const declaring of [unknownType, unknownOption, unknownColumn]) {
      const decorate = () => (declaring() as PropertyDecorator)(Checked.prototype, 'q')
      expect(decorate).toThrow(expect.objectContaining({ code: 'ERR_FIELD_INVALID' }))
    }
  })
})
