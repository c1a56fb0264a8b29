import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../database'
import { type Outcome, run } from './command'
import { type Consumer, createConsumer, removeConsumer } from './consumer'

const SETUP = 'encrypted-setup.cjs'
const TRANSACTIONAL = 'transactional.cjs'
const JEST_CONFIG = {
  rootDir: 'node_modules/nestjs-paginate/lib',
  testMatch: ['**/paginate.spec.js'],
  // Jest leaves node_modules out otherwise.
  haste: { retainAllFiles: true },
  testPathIgnorePatterns: [],
  setupFiles: [`<rootDir>/../../../${SETUP}`],
}

/**
 * nestjs-paginate builds queries of every kind over plain entities (joins, subqueries, embedded and
 * virtual columns, JSON and array columns, cursors), and its package holds its compiled tests, which
 * are run unmodified.
 */
describe.each([
  { version: '15.0.1', typeorm: '1', tests: 294 },
  { version: '13.3.0', typeorm: '0.3', tests: 290 },
])('packages that use TypeORM $typeorm', ({ version, typeorm, tests }) => {
  let project: Consumer
  beforeAll(() => {
    const tested = [`nestjs-paginate@${version}`, 'typeorm-transactional@0.5.0']
    const peers = [`typeorm@${typeorm}`, 'reflect-metadata', 'rxjs', 'pg', 'jest@30']
    project = createConsumer([...tested, ...peers])
    for (const file of [SETUP, TRANSACTIONAL]) {
      project.write(file, readFileSync(resolve(__dirname, file), 'utf8'))
    }
    project.write('jest.config.json', JSON.stringify(JEST_CONFIG))
  })
  afterAll(() => removeConsumer(project))

  it('nestjs-paginate passes its tests and sends the same statements as without', async () => {
    const plain = await runTests(project, false)
    const encrypted = await runTests(project, true)
    const passed = new RegExp(`^Tests: +${tests} passed, ${tests} total$`, 'm')
    expect(plain.output).toMatch(passed)
    expect(encrypted.output).toMatch(passed)
    expect(plain.statements.length).toBeGreaterThan(400)
    expect(encrypted.statements).toEqual(plain.statements)
  })

  it('typeorm-transactional works with encrypted entities, before and after', async () => {
    const database = await createDatabase()
    const env = { DATABASE_URL: database.url }
    const { code, output } = run(process.execPath, [TRANSACTIONAL], project.folder, env)
    await database.drop()
    expect(output).toBe('mortise first: ok\nmortise last: ok\n')
    expect(code).toBe(0)
  })
})

async function runTests(
  { folder }: Consumer,
  encrypt: boolean,
): Promise<Outcome & { statements: string[] }> {
  const database = await createDatabase()
  const { hostname, port, username, password, pathname } = new URL(database.url)
  const statements = join(folder, `statements-${encrypt}.jsonl`)
  // The tests end without closing their DataSource.
  const args = ['node_modules/jest/bin/jest.js', '--ci', '--forceExit']
  const outcome = run(process.execPath, args, folder, {
    DB: 'postgres',
    DB_HOST: hostname,
    POSTGRESS_DB_PORT: port,
    DB_USERNAME: username,
    DB_PASSWORD: password,
    DB_DATABASE: pathname.slice(1),
    ENCRYPT: encrypt ? '1' : '0',
    STATEMENTS: statements,
  })
  await database.drop()
  const text = readFileSync(statements, 'utf8')
  return { ...outcome, statements: text.trimEnd().split('\n') }
}
