import { expect, test } from 'vitest'
import { sameValue } from '../../src/envelope/same-value'

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

test.each([
  ['string', 'a', 'a', true],
  ['string', 'é', 'e\u0301', false],
  ['string', '', null, false],
  ['string', null, null, true],
  ['string', null, undefined, false],
  ['string', '1', 1, false],
  ['number', 1, 1, true],
  ['number', 0, -0, false],
  ['number', Number.NaN, Number.NaN, true],
  ['bigint', 1n, 1n, true],
  ['bigint', 1n, 1, false],
  ['boolean', false, false, true],
  ['boolean', false, 0, false],
  ['timestamp', new Date(5), new Date(5), true],
  ['timestamp', new Date(5), new Date(6), false],
  ['timestamp', new Date(5), 5, false],
  ['date', '2024-01-01', '2024-01-01', true],
  ['date', '2024-01-01', new Date('2024-01-01'), false],
  ['bytes', Buffer.of(1, 2), new Uint8Array([1, 2]), true],
  ['bytes', Buffer.of(1, 2), Buffer.of(1, 3), false],
  ['bytes', Buffer.of(1), Buffer.of(1, 0), false],
  ['bytes', Buffer.from('a'), 'a', false],
  ['json', { a: [1] }, { a: [1] }, true],
  ['json', { a: 1, b: 2 }, { b: 2, a: 1 }, false],
  ['json', { a: 1 }, { a: 1, b: undefined }, true],
  ['json', {}, null, false],
  ['json', cyclic, cyclic, true],
  ['json', cyclic, {}, false],
  ['json', 1n, 2n, false],
  ['json', () => 1, () => 2, false],
] as const)('%s: %o and %o -> %s', (type, a, b, same) => {
  expect(sameValue(type, a, b)).toBe(same)
  expect(sameValue(type, b, a)).toBe(same)
})
