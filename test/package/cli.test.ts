import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../database'
import { type Outcome, run } from './command'
import { type Consumer, createConsumer, removeConsumer } from './consumer'

const TYPED = `
import 'reflect-metadata'
import { createKeyring, inAppKeyProvider } from 'mortise'
import { Encrypted, withEncryption } from 'mortise/typeorm'
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'

@Entity()
export class Patient {
  @PrimaryGeneratedColumn('uuid') id!: string
  @Column({ type: 'text' }) ward!: string
  @Encrypted({ type: 'string', exact: true }) email!: string
}

const provider = inAppKeyProvider({ name: 'main', secret: String(process.env.TEST_ROOT_KEY) })
const url = String(process.env.DATABASE_URL)
const keyring = createKeyring({ providers: [provider] })

export const dataSource: DataSource = withEncryption(
  new DataSource({ type: 'postgres', url, entities: [Patient] }),
  { keyring },
)
`
/** As most projects write it: the compiler tells TypeORM and mortise the types. */
const INFERRED = TYPED.replace("@Column({ type: 'text' })", '@Column()').replace(
  "type: 'string', ",
  '',
)
const TSCONFIG = {
  compilerOptions: {
    ...{ target: 'es2022', module: 'nodenext', strict: true, skipLibCheck: true },
    ...{ experimentalDecorators: true, emitDecoratorMetadata: true },
  },
}
const LOADERS = [
  { packages: ['ts-node'], source: INFERRED },
  { packages: ['@swc-node', '@swc'], source: INFERRED },
  { packages: ['tsx'], source: TYPED },
]

let project: Consumer
let database: TestDatabase

/** What `npx mortise …` runs. */
function mortise(...args: string[]): Outcome {
  const env = { DATABASE_URL: database.url, TEST_ROOT_KEY: 'A'.repeat(42).concat('E') }
  return run('node_modules/.bin/mortise', args, project.folder, env)
}

const install = (...packages: string[]): Outcome =>
  run('npm', ['install', '--no-audit', '--no-fund', ...packages], project.folder)

beforeAll(async () => {
  database = await createDatabase()
  project = createConsumer(['typeorm@0.3', 'reflect-metadata', 'pg'])
})
afterAll(async () => {
  removeConsumer(project)
  await database?.drop()
})

describe('the command of the installed package', () => {
  it('says what it needs', () => {
    const { code, output } = mortise('--help')
    expect(output).toContain('npm install --save-dev commander cli-progress')
    expect(code).toBe(1)
  })

  it('explains itself once that is there', () => {
    const loaders = ['ts-node', '@swc-node/register', '@swc/core', 'tsx']
    const added = install('commander@14', 'typescript@5.9', '@types/node@20', ...loaders)
    expect(added.code, added.output).toBe(0)
    const { code, stdout } = run('npx', ['mortise', '--help'], project.folder)
    expect(stdout).toMatch(/^ {2}rewrap /m)
    expect(stdout).toContain('Exit codes:')
    expect(code).toBe(0)
  })
})

describe.each(LOADERS)('a data source in TypeScript, loaded by $packages.0', (loader) => {
  const { packages, source } = loader
  beforeAll(() => {
    mkdirSync(join(project.folder, 'src'), { recursive: true })
    project.write('src/data-source.ts', source)
    project.write('tsconfig.json', JSON.stringify(TSCONFIG))
  })
  // They are looked for in this order: each is found once those before it are gone.
  afterAll(() => {
    for (const name of packages) {
      rmSync(join(project.folder, 'node_modules', name), { recursive: true })
    }
  })

  it.each(['commonjs', 'module'])('in a project of type %s', (type) => {
    const manifest = JSON.parse(readFileSync(join(project.folder, 'package.json'), 'utf8'))
    project.write('package.json', JSON.stringify({ ...manifest, type }))
    const { code, output } = mortise('init', '--data-source', 'src/data-source.ts')
    expect(output).toBe('domain default is ready, with 2 keys; see mortise keys\n')
    expect(code).toBe(0)
  })
})

describe('a data source in TypeScript, and nothing that could load it', () => {
  it('is an error that names what could', () => {
    const { code, output } = mortise('keys', '-d', 'src/data-source.ts')
    expect(output).toContain('has none of ts-node, @swc-node/register, tsx')
    expect(code).toBe(1)
  })
})
