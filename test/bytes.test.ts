import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  asBuffer,
  checkIdentifier,
  decodeBase64Url,
  encodeParts,
  keyIdBytes,
  lengthPrefixed,
  u8,
  u16,
  u32,
  utf8,
} from '../src/bytes'

const code = (expected: string) => expect.objectContaining({ code: expected })

test('integers are big-endian and refuse what they cannot hold', () => {
  expect([u8(1), u16(0x0102), u32(0x01020304)].map((bytes) => bytes.toString('hex'))).toEqual([
    '01',
    '0102',
    '01020304',
  ])
  expect(() => u16(0x1_0000)).toThrow(RangeError)
  expect(() => u32(0x1_0000_0000)).toThrow(RangeError)
})

describe('text', () => {
  test('is encoded as it is, without normalisation', () => {
    expect(utf8('e\u0301', 'x').toString('hex')).toBe('65cc81')
    expect(utf8('\ufeff\u0000\u{1f511}', 'x').toString('hex')).toBe('efbbbf00f09f9491')
  })

  test.each(['\ud83d', 'a\udd11b', '\udd11\ud83d'])('a lone surrogate is refused', (text) => {
    expect(() => utf8(text, 'the thing')).toThrow(code('ERR_VALUE_INVALID'))
    expect(() => utf8(text, 'the thing')).toThrow(/^the thing contains/)
  })
})

describe('parts', () => {
  test('stand behind their length in bytes', () => {
    expect(lengthPrefixed('é').toString('hex')).toBe('00000002c3a9')
    expect(lengthPrefixed(Buffer.of(7)).toString('hex')).toBe('0000000107')
    expect(encodeParts('a', '').toString('hex')).toBe('000000016100000000')
    expect(encodeParts()).toHaveLength(0)
  })

  test('are encoded injectively', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 5 })
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const same = JSON.stringify(a.map((x) => [...x])) === JSON.stringify(b.map((x) => [...x]))
        expect(encodeParts(...a).equals(encodeParts(...b))).toBe(same)
      }),
    )
  })
})

describe('key ids', () => {
  test('are 16 hex digits', () => {
    expect(keyIdBytes('00ff00ff00ff00ff')).toEqual(Buffer.from('00ff00ff00ff00ff', 'hex'))
  })

  test.each(['', '00ff00ff00ff00f', '00ff00ff00ff00ff0', '00FF00FF00FF00FF', 'zzzzzzzzzzzzzzzz'])(
    '%j is refused',
    (id) => {
      expect(() => keyIdBytes(id)).toThrow(code('ERR_CONFIG'))
    },
  )
})

describe('base64url', () => {
  test('is accepted in its one spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = Buffer.from(bytes).toString('base64url')
        expect(decodeBase64Url(text)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  test.each(['AA==', 'A', 'AB', '+/+/', 'AAA A', 'AAA\n', 'AAé'])('%j is refused', (text) => {
    expect(decodeBase64Url(text)).toBeNull()
  })
})

test('a Buffer view shares the memory of the array, within its bounds', () => {
  const array = new Uint8Array([0, 1, 2, 3]).subarray(1, 3)
  const view = asBuffer(array)
  expect(view).toEqual(Buffer.of(1, 2))
  view[0] = 9
  expect(array[0]).toBe(9)
  expect(asBuffer(view)).toBe(view)
})

describe('identifiers', () => {
  test('are printable ASCII without space, of limited length', () => {
    expect(checkIdentifier('a.b:c/~!', 'the domain', 64)).toBe('a.b:c/~!')
    expect(checkIdentifier('x'.repeat(64), 'the domain', 64)).toHaveLength(64)
  })

  test.each(['', 'a b', 'é', 'a\n', '\u007f', 'x'.repeat(65)])('%j is refused', (value) => {
    expect(() => checkIdentifier(value, 'the domain', 64)).toThrow(code('ERR_CONFIG'))
  })
})
