import 'reflect-metadata'
import { inspect } from 'node:util'
import {
  Check,
  Column,
  DataSource,
  type DataSourceOptions,
  DeleteDateColumn,
  Entity,
  Index,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  Unique,
} from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyring, inAppKeyProvider } from '../../src'
import { Encrypted, openRaw, withEncryption } from '../../src/typeorm'
import { redactQueryError } from '../../src/typeorm/redact'
import { createDatabase, type TestDatabase } from '../database'
import { pendingStatements } from '../typeorm/data-source'
import { type Setup, setUp } from './people'

@Entity()
class Doc {
  @PrimaryColumn('int') id!: number
  @Column('int', { default: 1 }) n!: number
  @Encrypted({ type: 'string', exact: { unique: true } }) email!: string
  @DeleteDateColumn() gone!: Date | null
}

@Entity()
class Ref {
  @PrimaryColumn('int') id!: number
  @ManyToOne(() => Doc) @JoinColumn() doc!: Doc
}

@Entity()
class Owned {
  @PrimaryColumn('int') id!: number
  @Column('text') tenant!: string
  @Encrypted({ type: 'string', subject: 'tenant' }) value!: string
}

@Entity()
@Index(['n'], { where: `"phone" IS DISTINCT FROM 'x'` })
class ComparedInIndex {
  @PrimaryColumn('int') id!: number
  @Column('int') n!: number
  @Encrypted({ type: 'string', nullable: true }) phone!: string | null
}

@Entity()
@Check(`"phone" <> ''`)
class ComparedInCheck {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string', nullable: true }) phone!: string | null
}

@Entity()
@Check('bytes_sealed', `get_byte("bytes", 0) = 225`)
@Check('text_sealed', `"text" LIKE 'mrt1.%'`)
class Checked {
  @PrimaryColumn('int') id!: number
  @Encrypted({ type: 'string' }) bytes!: string
  @Encrypted({ type: 'string', column: 'text' }) text!: string
}

@Entity()
@Unique(['n', 'phone_hmac'])
class TruncatedUnique {
  @PrimaryColumn('int') id!: number
  @Column('int') n!: number
  @Encrypted({ type: 'string', exact: { bits: 16 } }) phone!: string
}

@Entity()
@Unique(['n', 'age_lofi'])
class BucketUnique {
  @PrimaryColumn('int') id!: number
  @Column('int') n!: number
  @Encrypted({ type: 'number', range: { step: 10 } }) age!: number
}

let database: TestDatabase
let setup: Setup

beforeAll(async () => {
  database = await createDatabase()
  setup = await setUp(database.url, [Doc, Ref, Owned])
  await docs().insert([
    { id: 1, email: 'a' },
    { id: 2, email: 'b', gone: new Date() },
  ])
  await setup.dataSource.getRepository(Ref).insert({ id: 1, doc: { id: 1 } })
})

afterAll(async () => {
  await setup?.dataSource.destroy()
  await database?.drop()
})

const docs = () => setup.dataSource.getRepository(Doc)
const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('nothing failed'),
    (error: unknown) => error,
  )

async function another(options: Partial<DataSourceOptions>, url = database.url) {
  const dataSource = new DataSource({ type: 'postgres', url, ...options } as DataSourceOptions)
  const provider = inAppKeyProvider({ name: 'test', secret: setup.secret })
  withEncryption(dataSource, { keyring: createKeyring({ providers: [provider] }) })
  return dataSource.initialize()
}

/** Fails in the database, after the parameters were resolved. */
const DIVISION = '1 / (n - 1) = 1'

describe('parameters of a failed statement', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['delete()', () => docs().delete({ email: 'a' })],
    [
      'delete of a builder',
      () => docs().createQueryBuilder().delete().where('email = :e', { e: 'a' }).execute(),
    ],
    [
      'soft delete',
      () =>
        docs().createQueryBuilder().softDelete().where({ email: 'a' }).andWhere(DIVISION).execute(),
    ],
    [
      'restore',
      () =>
        docs().createQueryBuilder().restore().where({ email: 'b' }).andWhere(DIVISION).execute(),
    ],
    [
      'getExists()',
      () =>
        docs()
          .createQueryBuilder('d')
          .where({ email: 'a' })
          .andWhere('1 / (d.n - 1) = 1')
          .getExists(),
    ],
  ])('of %s hold no token', async (_name, write) => {
    const { parameters } = (await failure(write())) as { parameters: unknown[] }
    expect(parameters.filter((one) => one instanceof Uint8Array)).toEqual([])
  })

  it('hold no token and no envelope in TypeORM’s log, failed or slow', async () => {
    const seen: unknown[] = []
    const note = (query: string, parameters: unknown[] = []) => {
      if (query.includes('"doc"')) seen.push(...parameters)
    }
    const nothing = () => {}
    const logger = {
      logQuery: nothing,
      logQueryError: (_error: unknown, query: string, parameters?: unknown[]) =>
        note(query, parameters),
      logQuerySlow: (_time: number, query: string, parameters?: unknown[]) =>
        note(query, parameters),
      ...{ logSchemaBuild: nothing, logMigration: nothing, log: nothing },
    }
    const dataSource = await another({ entities: [Doc], logger, maxQueryExecutionTime: 1 })
    const repository = dataSource.getRepository(Doc)
    await failure(repository.insert({ id: 3, email: 'a' }))
    const failed = seen.splice(0)
    const slow = repository.createQueryBuilder('d').where({ email: 'a' })
    await slow.andWhere("pg_sleep(0.05)::text = ''").getMany()
    await dataSource.destroy()
    expect([failed.length > 0, seen.length > 0]).toEqual([true, true])
    const binary = (parameters: unknown[]) => parameters.filter((one) => one instanceof Uint8Array)
    expect({ failed: binary(failed), slow: binary(seen) }).toEqual({ failed: [], slow: [] })
  })
})

describe('detail', () => {
  /** lc_messages translates detail; the fields code, table and constraint stay as they are. */
  it.each([
    ['23505', 'Schlüssel »(email_hmac)=(\\x0123456789)« existiert bereits.'],
    ['23502', 'Fehlgeschlagene Zeile enthält (1, \\xe1000123, \\x0123456789).'],
  ])('of %s is cut in every language of the server', (code, detail) => {
    const metadata = setup.dataSource.getMetadata(Doc)
    const error = Object.assign(new Error(), { code, table: 'doc', schema: 'public', detail })
    redactQueryError(error, { name: '', hasMetadata: true, metadata })
    expect(inspect(error)).not.toContain('0123')
  })
})

describe('at start', () => {
  it.each([ComparedInIndex, ComparedInCheck, TruncatedUnique, BucketUnique])(
    '%o is refused',
    async (entity) => {
      const empty = await createDatabase()
      const started = await another({ entities: [entity], synchronize: true }, empty.url).then(
        (dataSource) => dataSource.destroy(),
        (error: unknown) => error,
      )
      await empty.drop()
      expect(started).toMatchObject({ code: 'ERR_FIELD_INVALID' })
    },
  )
})

describe('openRaw', () => {
  it('refuses names and aliases that the rows do not have', async () => {
    const rows = await setup.dataSource.query('SELECT email AS mail FROM doc')
    const opened = [{ email: 'mial' }, 'x'].map((names) =>
      openRaw(setup.dataSource, Doc, rows, names as string),
    )
    const outcomes = (await Promise.allSettled(opened)).map(({ status }) => status)
    expect(outcomes).toEqual(['rejected', 'rejected'])
  })

  it('opens a column that the first row lacks', async () => {
    const rows = await setup.dataSource.query('SELECT email AS d_email FROM doc WHERE id = 1')
    const [, second] = await openRaw(setup.dataSource, Doc, [{ d_id: 9 }, ...rows], 'd')
    expect(second).toEqual({ d_email: 'a' })
  })

  it('needs no second connection in a transaction', async () => {
    await setup.dataSource.getRepository(Owned).insert({ id: 1, tenant: 't', value: 'v' })
    const extra = { connectionTimeoutMillis: 3000 }
    const dataSource = await another({ entities: [Owned], poolSize: 1, extra })
    const opened = await dataSource
      .transaction(async (manager) => {
        const rows = await manager.createQueryBuilder(Owned, 'o').getRawMany()
        return openRaw(manager, Owned, rows, 'o')
      })
      .catch((error: unknown) => error)
    await dataSource.destroy()
    expect(opened).toMatchObject([{ o_value: 'v' }])
  })
})

describe('a CHECK as docs/how-to/raw-sql.md declares it', () => {
  it('keeps plaintext out, whoever writes, and outlives the next synchronize', async () => {
    const empty = await createDatabase()
    const dataSource = await another({ entities: [Checked], synchronize: true }, empty.url)
    await dataSource.getRepository(Checked).insert({ id: 1, bytes: 'b', text: 't' })
    for (const column of ['bytes', 'text']) {
      const write = dataSource.query(`UPDATE checked SET "${column}" = 'plaintext'`)
      await expect(write).rejects.toMatchObject({ code: '23514' })
    }
    expect(await pendingStatements(dataSource)).toEqual([])
    await dataSource.destroy()
    await empty.drop()
  })
})
