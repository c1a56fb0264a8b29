import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { KeyProvider } from '../src/providers/provider'
import { providerConformance } from '../src/testing'
import { runNode, type UserProject, userProject } from './built-package'
import {
  extractCodeBlocks,
  extractExcerpts,
  readCodeBlocks,
  readExcerpts,
} from './docs/code-blocks'
import { startFakeVault } from './docs/fake-vault'

// The documents' code is compiled as a user's project would compile it: against the built package,
// reached by its name through its `exports`.
const blocks = readCodeBlocks()
let project: UserProject

describe('code in the documents', () => {
  beforeAll(() => {
    project = userProject('docs')
    for (const { name, code } of blocks) project.write(`${name}.mts`, code)
    project.write('tsconfig.json', JSON.stringify(TSCONFIG))
  })

  it('has a quick start that runs', () => {
    expect(blocks.filter(({ runs }) => runs).map(({ name }) => name)).toContain('README-1')
  })

  it('compiles', () => {
    const compiled = runNode(['node_modules/typescript/bin/tsc', '-p', project.folder])
    expect(compiled).toEqual({ code: 0, output: '' })
  })

  it.each(blocks.filter(({ runs }) => runs))('$name runs', async ({ name }) => {
    const env = {
      DATABASE_URL: await emptyDatabase(),
      MORTISE_ROOT_KEY: 'A'.repeat(42).concat('E'),
    }
    const { code, output } = runNode([join(project.folder, `${name}.mjs`)], env)
    expect(output).toContain('Ada')
    expect(code).toBe(0)
  })

  // Compiled above; its errors are of another copy of mortise, as a user's might be.
  const vault = startFakeVault()
  afterAll(async () => (await vault).close())
  const provider = async (
    key: string,
    token = 's.test',
    address?: string,
  ): Promise<KeyProvider> => {
    const file = join(project.folder, 'docs-how-to-write-a-provider-1.mjs')
    const { vaultKeyProvider } = await import(/* @vite-ignore */ file)
    return vaultKeyProvider({ address: address ?? (await vault).address, key, token: () => token })
  }
  const checks = providerConformance({
    create: () => provider('one'),
    createOther: () => provider('two'),
    createUnavailable: () => provider('one', 's.test', 'http://127.0.0.1:9'),
    secrets: ['s.test'],
  })
  it.each(checks)('write-a-provider: $name', ({ run }) => run())

  it.each([
    ['one', 's.other', 'access'],
    ['three', 's.test', 'state'],
  ])('write-a-provider: key %s with token %s is a failure of %s', async (key, token, failure) => {
    const context = {
      use: 'kek',
      domain: 'd',
      purpose: 'data',
      id: '0'.repeat(16),
      version: 1,
    } as const
    const wrapping = (await provider(key, token)).wrapKey(Buffer.alloc(32, 7), context)
    await expect(wrapping).rejects.toMatchObject({
      code: 'ERR_KEY_PROVIDER',
      failure,
      retryable: false,
    })
  })

  it('is found by its fence', () => {
    const text = '```ts run\na\n```\n```sh\nb\n```\n```ts\nc\nd\n```\n'
    expect(extractCodeBlocks('docs/x.md', text)).toEqual([
      { name: 'docs-x-1', code: 'a\n', runs: true },
      { name: 'docs-x-2', code: 'c\nd\n', runs: false },
    ])
  })
})

// Code that needs packages which are not installed here is quoted from a project that is tested with them.
describe('quotations in the documents', () => {
  it.each(readExcerpts())('$document quotes lines of $file', ({ file, code }) => {
    const text = readFileSync(resolve(__dirname, '..', file), 'utf8')
    expect(code).not.toBe('')
    expect(`\n${text}`).toContain(`\n${code}`)
  })

  it('are found by their fence', () => {
    const text = '```ts\na\n```\n```ts examples/x.ts\nb\nc\n```\n```ts run\nd\n```\n'
    expect(extractExcerpts('docs/x.md', text)).toEqual([
      { document: 'docs/x.md', file: 'examples/x.ts', code: 'b\nc\n' },
    ])
    expect(readExcerpts().map(({ document }) => document)).toContain('docs/how-to/use-nestjs.md')
  })
})

const TSCONFIG = {
  compilerOptions: {
    ...{ target: 'es2023', module: 'nodenext', strict: true, skipLibCheck: true, types: ['node'] },
    ...{ experimentalDecorators: true, emitDecoratorMetadata: true, noEmitOnError: false },
  },
  include: ['*.mts'],
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
