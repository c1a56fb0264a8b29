import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { secretKey } from '../../src/crypto/secret-key'

const bytes = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex')

test('a key is not shown by inspect or JSON', () => {
  const key = secretKey(bytes)
  const shown = inspect(key, { depth: null, showHidden: true }) + JSON.stringify(key)
  expect(shown).not.toMatch(/0001020304|00 01 02 03|AAECAwQ|0,1,2,3|: 1,/)
})

test('a key is a copy: zeroing the source leaves it usable', () => {
  const source = Buffer.from(bytes)
  const key = secretKey(source)
  source.fill(0)
  expect(key.export()).toEqual(bytes)
})

test.each([0, 16, 31, 33, 64])('%i bytes are a programming error', (length) => {
  expect(() => secretKey(Buffer.alloc(length))).toThrow(RangeError)
})
