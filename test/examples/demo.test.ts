import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'

// The demo runs in a project of its own beside a freshly built package: without a `dist` that an
// earlier build left, and with nothing but the package's `exports` to reach it by.
const ROOT = resolve(__dirname, '../..')
const PROJECT = join(ROOT, '.cache', 'demo')
const DEMO = join(PROJECT, 'demo')

interface Document {
  readonly ok: boolean
  readonly passed: number
  readonly failed: number
  readonly scenes: readonly { readonly items: readonly { readonly check?: Check }[] }[]
}

interface Check {
  readonly what: string
  readonly ok: boolean
  readonly detail: string
}

describe('the demo', () => {
  beforeAll(() => {
    rmSync(PROJECT, { recursive: true, force: true })
    const installed = join(PROJECT, 'node_modules', 'mortise')
    mkdirSync(installed, { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(installed, 'package.json'))
    writeFileSync(join(PROJECT, 'package.json'), '{ "private": true }')
    const build = node('scripts/build.mjs', join(installed, 'dist'))
    if (build.status !== 0) throw new Error(build.stderr)
    cpSync(join(ROOT, 'examples', 'demo'), DEMO, {
      recursive: true,
      filter: (path) => !path.endsWith('.cache') || path === DEMO,
    })
  })

  it('prints one JSON document in which every check held', () => {
    const { status, stdout, stderr } = node(join(DEMO, 'run.mjs'), '--json')
    expect(stderr).toBe('')
    const { ok, passed, failed, scenes } = JSON.parse(stdout) as Document
    const checks = scenes.flatMap(({ items }) => items.flatMap(({ check }) => check ?? []))
    expect(checks.filter((check) => !check.ok)).toEqual([])
    expect({ status, ok, passed, failed }).toEqual({ status: 0, ok: true, passed: 19, failed: 0 })
    expect(codes(checks)).toEqual([
      ...['ERR_KEY_INTEGRITY', 'ERR_DECRYPTION_FAILED', 'ERR_DECRYPTION_FAILED'],
      ...['ERR_DECRYPTION_FAILED', 'ERR_ENVELOPE_MALFORMED'],
      ...['ERR_QUERY_UNSUPPORTED', 'ERR_QUERY_UNSUPPORTED'],
    ])
  })

  it('is readable in 100 columns, without colours where there is no terminal', () => {
    const { status, stdout } = node(join(DEMO, 'run.mjs'))
    expect(status).toBe(0)
    expect(stdout).toContain('Every check held: 19 of 19')
    expect(stdout).not.toContain('\u001b')
    expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([])
  })

  it('ends with 1 where answers differ from the plaintext', () => {
    const { status, stdout } = node('-e', WITH_OTHER_PLAINTEXT, join(DEMO, '.cache'), '--json')
    expect(status).toBe(1)
    const { ok, failed } = JSON.parse(stdout) as Document
    expect({ ok, failed }).toEqual({ ok: false, failed: 6 })
  })
})

/** Runs what the test before compiled, with a plaintext that differs from what is stored. */
const WITH_OTHER_PLAINTEXT = `
  const queries = require(process.argv[1] + '/queries.js')
  const { askQuestions } = queries
  const changed = (person) => ({ ...person, givenName: 'Mallory' })
  queries.askQuestions = (application, people, report) =>
    askQuestions(application, people.map(changed), report)
  require(process.argv[1] + '/main.js')`

function codes(checks: readonly Check[]): (string | undefined)[] {
  return checks.flatMap(({ detail }) => /^ERR_[A-Z_]+/.exec(detail)?.[0] ?? [])
}

function node(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
}
