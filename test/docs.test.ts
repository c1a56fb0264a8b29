import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Client } from 'pg'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { extractCodeBlocks, readCodeBlocks } from './docs/code-blocks'

// The documents' code is compiled as a user's project would compile it: against the built package,
// reached by its name through its `exports`.
const ROOT = resolve(__dirname, '..')
const PROJECT = join(ROOT, '.cache', 'docs')
const blocks = readCodeBlocks()

describe('code in the documents', () => {
  beforeAll(() => {
    rmSync(PROJECT, { recursive: true, force: true })
    installPackage(join(PROJECT, 'node_modules', 'mortise'))
    // A project of its own: within the repository, 'mortise' would be the repository itself.
    writeFileSync(join(PROJECT, 'package.json'), '{ "private": true }')
    for (const { name, code } of blocks) writeFileSync(join(PROJECT, `${name}.mts`), code)
    writeFileSync(join(PROJECT, 'tsconfig.json'), JSON.stringify(TSCONFIG))
  })

  it('has a quick start that runs', () => {
    expect(blocks.filter(({ runs }) => runs).map(({ name }) => name)).toContain('README-1')
  })

  it('compiles', () => {
    expect(node(['node_modules/typescript/bin/tsc', '-p', PROJECT])).toEqual({
      code: 0,
      output: '',
    })
  })

  it.each(blocks.filter(({ runs }) => runs))('$name runs', async ({ name }) => {
    const env = {
      DATABASE_URL: await emptyDatabase(),
      MORTISE_ROOT_KEY: 'A'.repeat(42).concat('E'),
    }
    const { code, output } = node([join(PROJECT, `${name}.mjs`)], env)
    expect(output).toContain('Ada')
    expect(code).toBe(0)
  })

  it('is found by its fence', () => {
    const text = '```ts run\na\n```\n```sh\nb\n```\n```ts\nc\nd\n```\n'
    expect(extractCodeBlocks('docs/x.md', text)).toEqual([
      { name: 'docs-x-1', code: 'a\n', runs: true },
      { name: 'docs-x-2', code: 'c\nd\n', runs: false },
    ])
  })
})

const TSCONFIG = {
  compilerOptions: {
    ...{ target: 'es2023', module: 'nodenext', strict: true, skipLibCheck: true, types: ['node'] },
    ...{ experimentalDecorators: true, emitDecoratorMetadata: true, noEmitOnError: false },
  },
  include: ['*.mts'],
}

function installPackage(folder: string): void {
  mkdirSync(folder, { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  const { code, output } = node(['scripts/build.mjs', join(folder, 'dist')])
  if (code !== 0) throw new Error(output)
}

function node(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): { code: number | null; output: string } {
  const options = { cwd: ROOT, env: { ...process.env, ...env }, encoding: 'utf8' } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
  return { code: status, output: stdout + stderr }
}

/** The quick start makes its own tables, so it gets a database of its own. */
async function emptyDatabase(): Promise<string> {
  const client = new Client(inject('databaseUrl'))
  await client.connect()
  await client.query('DROP DATABASE IF EXISTS mortise_docs')
  await client.query('CREATE DATABASE mortise_docs')
  await client.end()
  return Object.assign(new URL(inject('databaseUrl')), { pathname: '/mortise_docs' }).href
}
