import { expect, test } from 'vitest'
import { encodeRowId } from '../../src/envelope/row-id'
import { refusal } from './keys'

const UUID = '0190a5b2-7c1e-7d3f-8a4b-5c6d7e8f9a0b'

test.each([
  ['uuid', UUID, '100190a5b27c1e7d3f8a4b5c6d7e8f9a0b'],
  ['uuid', UUID.toUpperCase(), '100190a5b27c1e7d3f8a4b5c6d7e8f9a0b'],
  ['integer', 0, '0330'],
  ['integer', -0, '0330'],
  ['integer', -42, '032d3432'],
  ['integer', 42n, '033432'],
  ['integer', '42', '033432'],
  ['integer', Number.MAX_SAFE_INTEGER, '0339303037313939323534373430393931'],
  ['integer', '9223372036854775807', '0339323233333732303336383534373735383037'],
  ['text', '', '01'],
  ['text', '42', '013432'],
  ['text', 'é\u0000', '01c3a900'],
] as const)('%s %o', (kind, value, expected) => {
  expect(encodeRowId(kind, value).toString('hex')).toBe(expected)
})

test.each([
  ['uuid', UUID.replaceAll('-', '')],
  ['uuid', `{${UUID}}`],
  ['uuid', `${UUID}\n`],
  ['uuid', Buffer.alloc(16)],
  ['integer', 1.5],
  ['integer', 2 ** 53],
  ['integer', Number.NaN],
  ['integer', '007'],
  ['integer', '-0'],
  ['integer', '1e3'],
  ['integer', ' 1'],
  ['integer', ''],
  ['integer', true],
  ['integer', ['1']],
  ['text', 1],
  ['text', '\ud83d'],
] as const)('refuses %s %o', (kind, value) => {
  expect(() => encodeRowId(kind, value, 'Person.x')).toThrow(refusal('ERR_VALUE_INVALID'))
})

test.each([null, undefined])('without a key yet (%o) the row is unknown', (value) => {
  expect(() => encodeRowId('uuid', value, 'Person.x')).toThrow(refusal('ERR_ROW_UNKNOWN'))
  expect(() => encodeRowId('uuid', value, 'Person.x')).toThrow(/^Person\.x is bound to its row/)
})
