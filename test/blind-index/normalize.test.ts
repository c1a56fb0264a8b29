import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CustomNormalizer,
  type NormalizerName,
  resolveNormalizer,
} from '../../src/blind-index/normalize'

const FIELD = 'Patient.email'

function normalize(option: NormalizerName | CustomNormalizer | undefined, value: string): string {
  return resolveNormalizer(option, FIELD).normalize(value)
}

function custom(over: Partial<Record<keyof CustomNormalizer, unknown>> = {}): CustomNormalizer {
  return { name: 'phone', version: 1, normalize: (value: string) => value, ...over } as never
}

describe('built-in normalisers', () => {
  it.each([
    ['email', 'email@1'],
    ['lowercase', 'lowercase@1'],
    ['trim', 'trim@1'],
    ['nfc', 'nfc@1'],
    ['digits', 'digits@1'],
  ] as const)('%s has the id %s', (name, id) => {
    expect(resolveNormalizer(name, FIELD).id).toBe(id)
  })

  it('none leaves the value and has an empty id', () => {
    expect(resolveNormalizer(undefined, FIELD).id).toBe('')
    expect(normalize(undefined, ' Ada ')).toBe(' Ada ')
  })

  it.each([
    ['lowercase', ' ÀDA ', ' àda '],
    ['lowercase', 'ΟΔΟΣ', 'οδος'],
    ['lowercase', 'I', 'i'],
    ['trim', '\u00a0\t Ada Lovelace \n\ufeff', 'Ada Lovelace'],
    ['nfc', 'e\u0301 \u212b', '\u00e9 \u00c5'],
    ['digits', '+44 (0)20 7946-0958', '4402079460958'],
    ['digits', 'none', ''],
    ['digits', '\u0661\uff12', ''],
  ] as const)('%s: %j becomes %j', (name, value, expected) => {
    expect(normalize(name, value)).toBe(expected)
  })
})

describe('email', () => {
  it.each([
    [' Ada@Example.COM\n', 'ada@example.com'],
    ['ada+tag@example.com', 'ada+tag@example.com'],
    ['a.d.a@gmail.com', 'a.d.a@gmail.com'],
    ['ada@BÜCHER.example', 'ada@xn--bcher-kva.example'],
    ['ada@bu\u0308cher.example', 'ada@xn--bcher-kva.example'],
    ['ada@xn--bcher-kva.example', 'ada@xn--bcher-kva.example'],
    ['Ädä@example.com', 'ädä@example.com'],
    ['"a@b"@bücher.example', '"a@b"@xn--bcher-kva.example'],
    ['ada@пример.рф', 'ada@xn--e1afmkfd.xn--p1ai'],
  ])('%j becomes %j', (value, expected) => {
    expect(normalize('email', value)).toBe(expected)
  })

  it.each([
    ['an ASCII domain that a URL parser would change', 'ada@127.1', 'ada@127.1'],
    ['an ASCII domain with an escape', 'ada@ex%41mple.com', 'ada@ex%41mple.com'],
    ['a non-ASCII domain with another character', 'ada@bü_cher.example', 'ada@bü_cher.example'],
    ['a non-ASCII domain with a port', 'ada@bücher.example:25', 'ada@bücher.example:25'],
    ['text without an at sign', 'Bücher', 'bücher'],
    ['an empty domain', 'ada@', 'ada@'],
    ['empty text', '  ', ''],
  ])('leaves %s as it is', (_, value, expected) => {
    expect(normalize('email', value)).toBe(expected)
  })

  it('refuses a domain without an ASCII form, and does not quote it', () => {
    const domain = `ü${'x'.repeat(3)}.xn--a`
    expect(() => normalize('email', `ada@${domain}`)).toThrow(
      expect.objectContaining({
        code: 'ERR_VALUE_INVALID',
        field: FIELD,
        message: expect.not.stringContaining(domain),
      }),
    )
  })

  it('gives canonically equivalent addresses one result', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (local) => {
        const address = `${local}@example.com`
        expect(normalize('email', address.normalize('NFD'))).toBe(
          normalize('email', address.normalize('NFC')),
        )
      }),
    )
  })
})

describe("the application's own normaliser", () => {
  it('carries its name and version in the id and is applied', () => {
    const own = custom({ version: 3, normalize: (value: string) => value.replaceAll(' ', '') })
    expect(resolveNormalizer(own, FIELD).id).toBe('phone@3')
    expect(normalize(own, '0 1 2')).toBe('012')
  })

  it.each([
    ['a number', () => 42],
    ['undefined', () => undefined],
    ['a lone surrogate', () => '\ud800'],
  ])('is refused where it returns %s', (_, result) => {
    expect(() => normalize(custom({ normalize: result }), 'Ada')).toThrow(
      expect.objectContaining({ code: 'ERR_VALUE_INVALID', field: FIELD }),
    )
  })

  it('does not let its exception carry the value out', () => {
    const own = custom({
      normalize: (value: string) => {
        throw new Error(`cannot parse ${value}`)
      },
    })
    const error = caught(() => normalize(own, 'Ada'))
    expect(error).toMatchObject({ code: 'ERR_VALUE_INVALID', field: FIELD })
    expect(inspect(error)).not.toContain('Ada')
  })

  it.each([
    ['an unknown name', 'upper'],
    ['an inherited property name', 'toString'],
    ['null', null],
    ["an '@' in its name", custom({ name: 'a@b' })],
    ['the name of a built-in', custom({ name: 'email' })],
    ['no version', custom({ version: undefined })],
    ['version 0', custom({ version: 0 })],
    ['version 1.5', custom({ version: 1.5 })],
    ['version 2^32', custom({ version: 2 ** 32 })],
    ['no function', custom({ normalize: undefined })],
  ])('is refused with %s', (_, option) => {
    expect(() => resolveNormalizer(option as never, FIELD)).toThrow(
      expect.objectContaining({
        code: 'ERR_FIELD_INVALID',
        field: FIELD,
        message: expect.stringContaining(FIELD),
      }),
    )
  })

  it.each([
    ['a space', 'my phone'],
    ['no character', ''],
    ['65 characters', 'x'.repeat(65)],
  ])('is refused with %s in its name', (_, name) => {
    expect(() => resolveNormalizer(custom({ name }), FIELD)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(FIELD) }),
    )
  })
})

function caught(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return expect.fail('nothing was thrown')
}
