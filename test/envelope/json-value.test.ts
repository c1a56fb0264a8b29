import { describe, expect, test } from 'vitest'
import { readJson, writeJson } from '../../src/envelope/json-value'

class Address {
  street = 'Byron Road'
  get label() {
    return this.street
  }
}

describe('written as JSON writes it', () => {
  test.each([
    [{ b: 1, a: [true, null, 'x'] }, '{"b":1,"a":[true,null,"x"]}'],
    [{ gone: undefined, kept: 1 }, '{"kept":1}'],
    [{ at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [new Address(), '{"street":"Byron Road"}'],
    [{ custom: { toJSON: () => [1] } }, '{"custom":[1]}'],
    [Buffer.of(1), '{"type":"Buffer","data":[1]}'],
    [-0, '0'],
    [Object.create(null), '{}'],
    [JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
    [{ 2: 'b', 1: 'a' }, '{"1":"a","2":"b"}'],
    ['\ud83d', '"\\ud83d"'],
    ['\u2028', '"\u2028"'],
  ])('%o', (value, text) => {
    expect(writeJson(value)).toBe(text)
    expect(JSON.stringify(readJson(text))).toBe(text)
  })
})

describe('refused, because JSON would change it without a word', () => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const reordered = new Proxy({ 1: 'a', b: 'c' }, { ownKeys: () => ['b', '1'] })
  const throwing = {
    toJSON: () => {
      throw new Error('private')
    },
  }

  test.each([
    ['null', null],
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a bigint', 1n],
    ['NaN inside', { a: [Number.NaN] }],
    ['an infinity inside', { a: -Infinity }],
    ['a function inside', { a: () => 1 }],
    ['a symbol inside', { a: Symbol('s') }],
    ['a bigint inside', [1n]],
    ['undefined in an array', [1, undefined]],
    ['a hole in an array', new Array(2)],
    ['an invalid Date', { a: new Date(Number.NaN) }],
    ['a Map', { a: new Map([[1, 2]]) }],
    ['a Set', new Set([1])],
    ['a RegExp', [/x/]],
    ['an Error', new Error('x')],
    ['a typed array', { a: new Uint8Array(2) }],
    ['a boxed primitive', { a: new Number(1) }],
    ['a cycle', cyclic],
    ['keys in an order that no parsed object has', reordered],
    ['a toJSON that throws', throwing],
  ])('%s', (_, value) => {
    expect(writeJson(value)).toBeUndefined()
  })
})

test.each(['null', '', '{"a": 1}', '1.0', '-0', '{"a":1,"a":2}', '"\\u0041"', '[1]\n', 'NaN'])(
  'text that is never written is not read: %j',
  (text) => {
    expect(readJson(text)).toBeUndefined()
  },
)
