import { inspect } from 'node:util'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyring, generateRootKey, inAppKeyProvider, type Keyring } from '../../../src'
import { expectNoPlaintext } from '../../../src/testing'
import { withEncryption } from '../../../src/typeorm'
import { type PostgresServer, startPostgres } from '../../postgres-server'
import { CONTROL, canaries, Holder, holder, Remark, STEMS } from './entities'
import { everythingOf, filesHolding, leaksIn, storedForms } from './places'
import { failures, queries, writes } from './statements'

let server: PostgresServer
let dataSource: DataSource
let keyring: Keyring
let serverLog = ''
const typeormLog: string[] = []
const errors = new Map<string, unknown>()

const SETTINGS = [
  ...['log_statement=all', 'log_min_duration_statement=0', 'log_min_messages=info'],
  ...['log_error_verbosity=verbose', 'log_lock_waits=on', 'deadlock_timeout=100ms'],
  ...['shared_preload_libraries=pg_stat_statements,auto_explain', 'pg_stat_statements.track=all'],
  ...['log_parameter_max_length_on_error=-1', 'auto_explain.log_min_duration=0'],
]

beforeAll(async () => {
  server = await startPostgres(SETTINGS, (text) => {
    serverLog += text
  })
  // The last argument is the query runner, which a logger would not print.
  const note = (...parts: unknown[]) => {
    const printable = parts.filter((part) => Array.isArray(part) || part instanceof Error)
    const texts = parts.filter((part) => typeof part === 'string')
    typeormLog.push([...texts, ...printable.map(everythingOf)].join(' '))
  }
  dataSource = new DataSource({
    ...{ type: 'postgres', url: server.url, entities: [Holder, Remark], synchronize: true },
    ...{ cache: true, logging: 'all', maxQueryExecutionTime: 1 },
    logger: {
      ...{ logQuery: note, logQueryError: note, logQuerySlow: note, logSchemaBuild: note },
      ...{ logMigration: note, log: note },
    },
  } as DataSourceOptions)
  keyring = createKeyring({
    providers: [inAppKeyProvider({ name: 'test', secret: generateRootKey() })],
  })
  await withEncryption(dataSource, { keyring }).initialize()
  await dataSource.query('CREATE EXTENSION pg_stat_statements')
})

afterAll(async () => {
  await dataSource?.destroy().catch(() => {})
  await server?.stop().catch(() => {})
  server?.remove()
})

/** Runs one after the other, and keeps what they throw. */
async function runAll(calls: Record<string, () => Promise<unknown>>): Promise<string[]> {
  const failed: string[] = []
  for (const [name, call] of Object.entries(calls)) {
    await call().catch((error: unknown) => {
      errors.set(name, error)
      failed.push(name)
    })
  }
  return failed
}

describe('unlikely values', () => {
  it('are written through every entry point', async () => {
    expect(await runAll(writes(dataSource))).toEqual([])
    expect(await dataSource.getRepository(Holder).count()).toBeGreaterThan(5)
  })

  it('are asked for in every kind of condition', async () => {
    const refused = ['find one or fail', 'SQL text that is refused', 'a range of raw rows, refused']
    expect(await runAll(queries(dataSource))).toEqual(refused)
  })

  it('are in statements that fail', async () => {
    const calls = failures(dataSource)
    expect(await runAll(calls)).toEqual(Object.keys(calls))
    const codes = [...errors.values()].map((error) => (error as { code?: string }).code)
    expect(codes).toEqual(
      expect.arrayContaining(['23505', '23502', '23514', '23503', '22P02', '40P01', '57014']),
    )
  })
})

describe('no canary is in', () => {
  it('a low-fidelity column, beyond what it declares', async () => {
    const rows = (await dataSource.query(
      `SELECT length(surname_lofi) <= 2 AS surname, income_lofi::numeric % 10000 = 0 AS income,
              account_lofi::numeric % 1000000000000000 = 0 AS account,
              to_char(born_lofi, 'MM-DD') = '01-01' AS born,
              to_char(seen_lofi AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS.US') = '01-01 00:00:00.000000' AS seen
         FROM holder WHERE surname_lofi IS NOT NULL AND seen_lofi IS NOT NULL`,
    )) as object[]
    expect(rows.length).toBeGreaterThan(5)
    for (const row of rows) {
      expect(row).toEqual({ surname: true, income: true, account: true, born: true, seen: true })
    }
  })

  it('the log of TypeORM', () => {
    const log = typeormLog.join('\n')
    for (const sign of [
      'INSERT INTO "holder"',
      'UPDATE "holder"',
      'DELETE FROM "holder"',
      CONTROL,
    ]) {
      expect(log).toContain(sign)
    }
    expect(leaksIn(log)).toEqual([])
  })

  it.each([
    ...Object.keys(failures({ getRepository() {} } as never)),
    'find one or fail',
    'SQL text that is refused',
  ])('the error of: %s', (name) => {
    const text = everythingOf(errors.get(name))
    expect(text.length).toBeGreaterThan(100)
    expect(leaksIn(text)).toEqual([])
  })

  it('what inspect shows of DataSource, keyring and builders', async () => {
    const holders = dataSource.getRepository(Holder)
    const { email, surname } = canaries(3)
    const select = holders.createQueryBuilder('h').where({ email, surname })
    await select.getMany()
    const update = holders
      .createQueryBuilder()
      .update()
      .set(holder(3) as never)
      .where({ email })
    const insert = holders
      .createQueryBuilder()
      .insert()
      .values(holder(3) as never)
    const remove = holders.createQueryBuilder().delete().where({ email })
    const found = holders.createQueryBuilder('h').setFindOptions({ where: { email, surname } })
    for (const shown of [dataSource, keyring, select, update, insert, remove, found]) {
      for (const depth of [2, 4, 5]) {
        expect(leaksIn(inspect(shown, { depth, showHidden: true }))).toEqual([])
      }
    }
    expect(inspect(update)).toContain('Holder')
    expect(inspect(dataSource.createQueryBuilder().select('1'))).toContain('expressionMap')
  })

  it('the log of the server', async () => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    const signs = ['execute', 'parameters', 'duration:', 'plan:', CONTROL]
    for (const sign of [...signs, 'deadlock detected', 'canceling statement']) {
      expect(serverLog.toLowerCase()).toContain(sign)
    }
    expect(leaksIn(serverLog)).toEqual([])
  })

  // Asks for the canaries by parameters, which the server logs: from here on its log holds them.
  it('any column of any table, nor a statement that the server remembers', async () => {
    await expectNoPlaintext(dataSource, STEMS)
    const [{ statements }] = await dataSource.query(
      'SELECT count(*)::int AS statements FROM pg_stat_statements',
    )
    expect(statements).toBeGreaterThan(40)
    const tables = await dataSource.query(`SELECT relname FROM pg_class WHERE relkind = 'r'`)
    expect(tables).toContainEqual({ relname: 'query-result-cache' })
    await expect(expectNoPlaintext(dataSource, [CONTROL])).rejects.toThrow('holder.ward')
  })

  it('the files of the server after it stopped', { timeout: 60_000 }, async () => {
    await dataSource.destroy()
    await server.stop()
    expect(filesHolding(server.dataDirectory, [Buffer.from(CONTROL)])).not.toEqual([])
    expect(filesHolding(server.dataDirectory, storedForms())).toEqual([])
  })
})
