import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { decodeValue, encodeValue } from '../../src/envelope/codec'
import { VALUE_TYPES, type ValueType } from '../../src/envelope/value-type'
import { refusal } from './keys'

const NOTHING_FITS = [null, undefined, Symbol('s'), () => 1]

const WRONG: Record<ValueType, unknown[]> = {
  string: [1, 1n, true, new Date(0), Buffer.of(1), {}, 'lone \ud83d', '\udd11', new String('a')],
  number: ['1', 1n, true, Number.NaN, Infinity, -Infinity, new Number(1), new Date(0)],
  bigint: [1, '1', true, Object(1n)],
  boolean: [0, 1, 'true', new Boolean(true)],
  timestamp: [0, '2024-01-01', new Date(Number.NaN), { getTime: () => 0 }],
  date: [
    new Date(0),
    '2023-02-29',
    '1900-02-29',
    '2023-04-31',
    '2023-13-01',
    '2023-00-01',
    '2023-01-00',
    '0000-12-31',
    '10000-01-01',
    '2023-1-1',
    '20230101',
    ' 2023-01-01',
    '2023-01-01\n',
    '2023-01-01T00:00:00Z',
    '٢٠٢٣-٠١-٠١',
    '',
  ],
  bytes: ['ff', [1, 2], new ArrayBuffer(2), new Uint16Array(2), new Uint8ClampedArray(2), {}],
  json: [1n, Number.NaN, Infinity, { toJSON: () => undefined }, { toJSON: () => null }],
}

describe.each(VALUE_TYPES)('%s', (type) => {
  test.each([...NOTHING_FITS, ...WRONG[type]])('refuses %o', (value) => {
    const attempt = () => encodeValue(type, value, 'Person.x')
    expect(attempt).toThrow(refusal('ERR_VALUE_INVALID'))
    expect(attempt).toThrow(expect.objectContaining({ field: 'Person.x' }))
  })

  test('is not read from another type, an empty text or an unknown type byte', () => {
    const encoded = encodeValue('string', '0', 'f')
    for (let byte = 0; byte < 256; byte++) {
      const other = byte !== VALUE_TYPES.indexOf(type) + 1
      if (other) expect(decodeValue(type, Buffer.of(byte, ...encoded.subarray(1)))).toBeUndefined()
    }
    expect(decodeValue(type, Buffer.alloc(0))).toBeUndefined()
  })
})

describe('the error', () => {
  test.each([
    [
      'number',
      'secret',
      'Person.x is declared as number: expected a finite number, received a string',
    ],
    ['number', Number.NaN, /received NaN or an infinity$/],
    ['string', 42_4242, /expected a string without lone surrogates, received a number$/],
    ['string', null, /received null$/],
    ['string', undefined, /received undefined$/],
    ['timestamp', 'secret', /expected a valid Date, received a string$/],
    ['timestamp', new Date(Number.NaN), /received an invalid Date$/],
    ['date', new Date(0), /received a Date$/],
    ['bytes', [115, 101], /expected a Uint8Array, received an array$/],
    ['boolean', { secret: 'secret' }, /expected true or false, received an object$/],
    ['date', 'secret', /'YYYY-MM-DD' of the years 0001 to 9999, received a string$/],
    ['json', 424242n, /expected a value that JSON keeps as it is, received a bigint$/],
  ] as const)(
    'names field, declared type and kind, never the value: %s %o',
    (type, value, text) => {
      expect(() => encodeValue(type, value, 'Person.x')).toThrow(text)
      expect(() => encodeValue(type, value, 'Person.x')).not.toThrow(/secret|4242/)
    },
  )
})

describe('what goes in comes out', () => {
  test.each([
    ['string', ''],
    ['string', '\ufeffbyte order mark kept'],
    ['string', 'e\u0301 is not \u00e9'],
    ['number', 0],
    ['number', -0],
    ['number', Number.MIN_VALUE],
    ['bigint', -(2n ** 200n)],
    ['boolean', false],
    ['timestamp', new Date(8.64e15)],
    ['timestamp', new Date(-8.64e15)],
    ['date', '0001-01-01'],
    ['date', '2000-02-29'],
    ['bytes', Buffer.alloc(0)],
    ['json', false],
    ['json', ''],
    ['json', 0],
    ['json', []],
  ] as const)('%s %o', (type, value) => {
    expect(decodeValue(type, encodeValue(type, value, 'f'))).toStrictEqual(value)
  })

  test('bytes are a copy, and any Uint8Array will do', () => {
    const encoded = encodeValue('bytes', new Uint8Array([0, 1, 2, 3]).subarray(1), 'f')
    const decoded = decodeValue('bytes', encoded) as Buffer
    expect(Buffer.isBuffer(decoded)).toBe(true)
    encoded.fill(0)
    expect(decoded).toEqual(Buffer.of(1, 2, 3))
  })

  test('values of another realm', () => {
    expect(encodeValue('timestamp', runInNewContext('new Date(5)'), 'f')).toEqual(
      encodeValue('timestamp', new Date(5), 'f'),
    )
    expect(encodeValue('bytes', runInNewContext('Uint8Array.of(7)'), 'f')).toEqual(Buffer.of(7, 7))
    expect(encodeValue('json', runInNewContext('({ a: [1] })'), 'f')).toEqual(
      encodeValue('json', { a: [1] }, 'f'),
    )
  })
})
