import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Consumer, createConsumer, removeConsumer } from './consumer'
import { entryPoints } from './entry-points'
import { ROUND_TRIP } from './round-trip'

const TEST_FILE = `
const { createFieldCipher, createKeyring, generateRootKey, inAppKeyProvider, memoryKeyStore } = require('mortise')
${ROUND_TRIP}
test('seals and opens', roundTrip)
test.each(${JSON.stringify(entryPoints.map(({ name }) => name))})('loads %s', (name) => {
  expect(Object.keys(require(name)).length).toBeGreaterThan(0)
})
test('throws its own error class', () => {
  const { MortiseError } = require('mortise')
  expect(() => createKeyring({ providers: [] })).toThrow(MortiseError)
})
`

// CommonJS Jest, as most NestJS and TypeORM projects run it: no transform, no experimental flag.
describe.each(['29', '30'])('Jest %s', (version) => {
  let consumer: Consumer
  beforeAll(() => {
    consumer = createConsumer([`jest@${version}`, 'typeorm@1', 'reflect-metadata', 'pg'])
    consumer.write('mortise.test.js', TEST_FILE)
  })
  afterAll(() => removeConsumer(consumer))

  it('loads every entry point and runs against it', () => {
    const { code, output } = consumer.node('node_modules/jest/bin/jest.js', '--ci')
    expect(output).toContain(
      `Tests:       ${entryPoints.length + 2} passed, ${entryPoints.length + 2} total`,
    )
    expect(code).toBe(0)
  })
})
