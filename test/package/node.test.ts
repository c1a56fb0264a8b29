import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Consumer, createConsumer, removeConsumer } from './consumer'
import { entryPoints } from './entry-points'
import { ROUND_TRIP } from './round-trip'

const IMPORTS =
  "import { createFieldCipher, createKeyring, generateRootKey, inAppKeyProvider, memoryKeyStore } from 'mortise'"
const REQUIRES =
  "const { createFieldCipher, createKeyring, generateRootKey, inAppKeyProvider, memoryKeyStore } = require('mortise')"

describe('a project without any of the optional peers', () => {
  let consumer: Consumer
  beforeAll(() => {
    consumer = createConsumer()
  })
  afterAll(() => removeConsumer(consumer))

  it('seals and opens from an ES module', () => {
    consumer.write('round-trip.mjs', `${IMPORTS}\n${ROUND_TRIP}\nawait roundTrip()\n`)
    expect(consumer.node('round-trip.mjs')).toEqual(quietSuccess)
  })

  it('seals and opens from CommonJS', () => {
    consumer.write('round-trip.cjs', `${REQUIRES}\n${ROUND_TRIP}\nroundTrip()\n`)
    expect(consumer.node('round-trip.cjs')).toEqual(quietSuccess)
  })

  it('is told which package is missing when it imports mortise/typeorm', () => {
    for (const [file, text] of [
      ['missing.mjs', "import 'mortise/typeorm'"],
      ['missing.cjs', "require('mortise/typeorm')"],
    ] as const) {
      consumer.write(file, text)
      const { code, output } = consumer.node(file)
      expect(code).toBe(1)
      expect(output).toContain("Cannot find module 'typeorm'")
    }
  })

  it('cannot reach what is not exported', () => {
    consumer.write('inside.cjs', "require('mortise/dist/envelope/seal.js')")
    expect(consumer.node('inside.cjs').output).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })
})

describe.each(['1', '0.3'])('a project with TypeORM %s and pg', (version) => {
  let consumer: Consumer
  beforeAll(() => {
    consumer = createConsumer([`typeorm@${version}`, 'reflect-metadata', 'pg'])
  })
  afterAll(() => removeConsumer(consumer))

  it.each(entryPoints)('gets one and the same $name from require and import', ({ name }) => {
    consumer.write('same.cjs', sameInstance(name))
    expect(consumer.node('same.cjs')).toEqual(quietSuccess)
  })
})

const quietSuccess = { code: 0, stdout: '', output: '' }

function sameInstance(entryPoint: string): string {
  return `
const assert = require('node:assert/strict')
const required = require('${entryPoint}')
import('${entryPoint}').then((imported) => {
  assert.ok(Object.keys(required).length > 0)
  assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort())
  for (const name of Object.keys(required)) assert.equal(imported[name], required[name], name)
})
`
}
