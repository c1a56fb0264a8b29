import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from '../database'
import { type Outcome, run } from './command'
import { type Consumer, createProject, type ProjectManifest, removeConsumer } from './consumer'

const ALL_PASSED = /^Tests: +12 passed, 12 total$/m

/** The example in a project and a database of its own. */
function install(change?: (manifest: ProjectManifest) => void) {
  let example: Consumer
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
    example = createProject('examples/nestjs', change)
  })
  afterAll(async () => {
    removeConsumer(example)
    await database.drop()
  })
  return {
    /** Runs a script of its package.json. */
    npm(script: string, ...args: string[]): Outcome {
      const env = {
        DATABASE_URL: database.url,
        MORTISE_KEY_PROVIDERS: 'in-app:main',
        MORTISE_ROOT_KEY: 'A'.repeat(42).concat('E'),
      }
      return run('npm', ['run', script, '--', ...args], example.folder, env)
    },
    edit(file: string, change: (text: string) => string): void {
      example.write(file, change(readFileSync(join(example.folder, file), 'utf8')))
    },
  }
}

describe('the NestJS example', () => {
  const example = install()

  it('compiles', () => {
    expect(example.npm('check')).toMatchObject({ code: 0 })
  })

  it('passes its tests in Jest', () => {
    const { code, output } = example.npm('test', '--ci')
    expect(output).toMatch(ALL_PASSED)
    expect(code).toBe(0)
  })

  it('has a data source for the command line of TypeORM, and no migration that is missing', () => {
    const check = ['migration:generate', '--check', 'src/migrations/next']
    const { code, output } = example.npm('typeorm', ...check)
    expect(output).toContain('No changes in database schema were found')
    expect(code).toBe(0)
  })
})

describe('the NestJS example in CommonJS, one major back: Nest 11, TypeORM 0.3, Jest 29', () => {
  const example = install((manifest) => {
    delete manifest.type
    for (const packages of [manifest.dependencies, manifest.devDependencies]) {
      for (const name of Object.keys(packages)) {
        if (name.startsWith('@nestjs/')) packages[name] = '^11.0.0'
        if (/jest$/.test(name) && !name.startsWith('@swc/')) packages[name] = '^29.0.0'
        if (name === 'typeorm') packages[name] = '^0.3.0'
      }
    }
  })

  it('passes its tests in Jest', () => {
    example.edit('jest.config.json', (text) => text.replace(/.*extensionsToTreatAsEsm.*\n/, ''))
    const { code, output } = example.npm('test', '--ci')
    expect(output).toMatch(ALL_PASSED)
    expect(code).toBe(0)
  })
})
