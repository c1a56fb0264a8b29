import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from './command'
import { type Consumer, createConsumer, removeConsumer } from './consumer'
import { ROUND_TRIP } from './round-trip'

const ADDON = `prebuilds/${process.platform}-${process.arch}/mortise.node`
const built =
  existsSync(resolve(__dirname, '../..', ADDON)) || process.env.MORTISE_REQUIRE_NATIVE === '1'

const SCRIPT = `
const { createFieldCipher, createKeyring, generateRootKey, inAppKeyProvider, memoryKeyStore } = require('mortise')
${ROUND_TRIP}
roundTrip().then(async () => {
  const provider = inAppKeyProvider({ name: 'native', secret: generateRootKey() })
  const keyring = createKeyring({ providers: [provider], store: memoryKeyStore() })
  const { ok, native } = await keyring.health()
  console.log(JSON.stringify({ ok, native }))
})
`

let consumer: Consumer
const installed = (file: string) => join(consumer.folder, 'node_modules', 'mortise', file)

/** Seals and opens in a process of its own, and gives what it says of itself. */
function statusOf(env: NodeJS.ProcessEnv = {}): unknown {
  const { code, stdout, output } = run(process.execPath, ['native.cjs'], consumer.folder, env)
  if (code !== 0) throw new Error(output)
  return JSON.parse(stdout)
}

const active = { ok: true, native: { active: true, reason: null } }
const inactive = (reason: string) => ({ ok: true, native: { active: false, reason } })

describe.each([
  ['with its install script', []],
  ['with --ignore-scripts', ['--ignore-scripts']],
])('a package that was installed %s', (_how, options) => {
  beforeAll(() => {
    consumer = createConsumer(options)
    consumer.write('native.cjs', SCRIPT)
  })
  afterAll(() => removeConsumer(consumer))

  it.runIf(built)('uses the addon that it brings (skipped where it is not built)', () => {
    expect(statusOf()).toEqual(active)
  })

  it('works in JavaScript where that is asked for', () => {
    expect(statusOf({ MORTISE_NATIVE: '0' })).toEqual(inactive('switched off'))
  })

  it.runIf(built)('works in JavaScript where the addon is damaged, or not there', () => {
    writeFileSync(installed(ADDON), 'no addon')
    expect(statusOf()).toEqual(inactive('not usable'))
    rmSync(installed(ADDON))
    expect(statusOf()).toEqual(inactive('not built'))
  })

  it('is told in one line where it cannot be built, and works', () => {
    rmSync(installed('prebuilds'), { recursive: true, force: true })
    const script = [installed('native/build.mjs'), '--install']
    const noCompiler = { PATH: dirname(process.execPath), CC: 'no-compiler', CXX: 'no-compiler' }
    const { code, output } = run(process.execPath, script, consumer.folder, noCompiler)
    expect(code).toBe(0)
    expect(output).toBe(
      'mortise: the native path could not be built here; it works in JavaScript instead\n',
    )
    expect(statusOf()).toEqual(inactive('not built'))
    expect(existsSync(installed('native/build'))).toBe(false)
  })

  it.runIf(process.env.MORTISE_REQUIRE_NATIVE === '1')(
    'is built where there is a compiler (skipped where it is not required)',
    () => {
      const { code, output } = run('npm', ['rebuild', 'mortise'], consumer.folder)
      expect([code, output]).toEqual([0, expect.stringContaining('rebuilt')])
      expect(statusOf()).toEqual(active)
    },
  )
})
