import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runNode, type UserProject, userProject } from '../built-package'

// Without the peers, which `npm ci` in benchmarks/ installs: they are left out and named.
const NOT_INSTALLED = ['ciphersweet-js', '@aws-crypto/client-node', 'sodium-native']
let project: UserProject

beforeAll(() => {
  project = userProject('benchmarks')
  cpSync(join(project.folder, 'node_modules/mortise/dist'), join(project.folder, 'dist'), {
    recursive: true,
  })
  const source = resolve(__dirname, '../../benchmarks')
  const filter = (file: string) => !file.startsWith(join(source, 'node_modules'))
  cpSync(source, join(project.folder, 'benchmarks'), { recursive: true, filter })
})
afterAll(() => rmSync(project.folder, { recursive: true, force: true }))

const bench = (...args: string[]) => runNode([join(project.folder, 'benchmarks/run.mjs'), ...args])

it('measures values beside the peers that are installed, and opens what they sealed', () => {
  const json = join(project.folder, 'results.json')
  const { code, output } = bench('value', '--quick', '--rounds', '1', '--json', json)
  expect(output).toContain('### open a record of five fields of 32 B')
  expect(code).toBe(0)
  const [run] = JSON.parse(readFileSync(json, 'utf8')).runs
  expect(run).toMatchObject({ part: 'value', conditions: { node: process.version.slice(1) } })
  expect(Object.keys(run.measurements['open 64 B'])).toEqual(
    expect.arrayContaining(['mortise, JavaScript', 'node:crypto', 'typeorm-encrypted']),
  )
  expect(run.measured['overhead of a 16-byte field, beside its type byte']).toBe(98)
  expect(run.tables[0].notes).toContain(`and so not measured: ${NOT_INSTALLED.join(', ')}.`)
})

it('refuses parts, numbers and Nodes that it does not know', () => {
  for (const args of [['values'], ['value', '--rounds', '0'], ['value', '--nodes', '6']]) {
    expect(bench(...args).code, args.join(' ')).toBe(1)
  }
})
