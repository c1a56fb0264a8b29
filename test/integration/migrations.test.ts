import 'reflect-metadata'
import {
  Column,
  DataSource,
  Entity,
  type EntityTarget,
  Index,
  type MigrationInterface,
  type ObjectLiteral,
  PrimaryColumn,
  type QueryRunner,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../src'
import { Encrypted, withEncryption } from '../../src/typeorm'
import { createDatabase, type TestDatabase } from '../database'
import { pendingStatements } from '../typeorm/data-source'

@Entity({ name: 'patient' })
class Before {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
}

@Entity({ name: 'patient' })
@Index(['ward', 'email'])
class Patient {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Encrypted({ type: 'string', exact: { unique: true }, nullable: true, fieldId: 'patient.email' })
  email!: string | null
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true }) age!: number | null
}

@Entity({ name: 'patient' })
class Renamed {
  @PrimaryColumn('int') id!: number
  @Column('text') ward!: string
  @Encrypted({
    type: 'string',
    exact: { unique: true },
    nullable: true,
    name: 'email',
    fieldId: 'patient.email',
  })
  mail!: string | null
  @Encrypted({ type: 'number', range: { step: 10 }, nullable: true }) age!: number | null
}

let database: TestDatabase
const open = new Set<DataSource>()
const secret = generateRootKey()

beforeEach(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  for (const dataSource of open) if (dataSource.isInitialized) await dataSource.destroy()
  open.clear()
  await database.drop()
})

async function start(
  entity: EntityTarget<ObjectLiteral>,
  migrations: (new () => MigrationInterface)[] = [],
): Promise<DataSource> {
  const dataSource = new DataSource({
    type: 'postgres',
    url: database.url,
    entities: [entity as never],
    migrations,
  })
  const provider = inAppKeyProvider({ name: 'test', secret })
  withEncryption(dataSource, { keyring: createKeyring({ providers: [provider] }) })
  open.add(dataSource)
  return dataSource.initialize()
}

/** What `migration:generate` writes, as the class that it writes. */
async function generate(dataSource: DataSource, name: string) {
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log()
  const run = async (runner: QueryRunner, queries: typeof upQueries) => {
    for (const { query, parameters } of queries) await runner.query(query, parameters)
  }
  class Generated implements MigrationInterface {
    name = name
    up = (runner: QueryRunner) => run(runner, upQueries)
    down = (runner: QueryRunner) => run(runner, downQueries.toReversed())
  }
  return { Generated, statements: upQueries.map(({ query }) => query) }
}

/** Generates what an entity lacks, and starts again with the migration. */
async function migrate(entity: EntityTarget<ObjectLiteral>, name: string) {
  const without = await start(entity)
  const generated = await generate(without, name)
  await without.destroy()
  const dataSource = await start(entity, [generated.Generated])
  await dataSource.runMigrations()
  return { dataSource, ...generated }
}

describe('migrations', () => {
  it('make hidden columns, indexes and the tables of the key store, and take them back', async () => {
    const { dataSource, statements } = await migrate(Patient, 'Init1700000000000')
    const text = statements.join('\n')
    for (const part of [
      '"email_hmac" bytea',
      '"age_lofi"',
      'mortise_key',
      '("ward", "email_hmac")',
    ]) {
      expect(text).toContain(part)
    }
    expect(await pendingStatements(dataSource)).toEqual([])
    const patients = dataSource.getRepository(Patient)
    await patients.insert({ id: 1, ward: 'A', email: 'a@x.org', age: 40 })
    expect(await patients.findOneBy({ email: 'a@x.org' })).toMatchObject({ age: 40 })
    await dataSource.undoLastMigration()
    const left = await dataSource.query(
      `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'`,
    )
    expect(left).toEqual([])
  })

  it('add encrypted properties to a table with rows', async () => {
    const { dataSource: first } = await migrate(Before, 'Init1700000000000')
    await first.getRepository(Before).insert({ id: 1, ward: 'A' })
    await first.destroy()
    const { dataSource, statements } = await migrate(Patient, 'Add1700000000001')
    expect(statements).toContain('ALTER TABLE "patient" ADD "email" bytea')
    const patients = dataSource.getRepository(Patient)
    expect(await patients.find()).toMatchObject([{ id: 1, email: null, age: null }])
    await patients.update({ id: 1 }, { email: 'a@x.org' })
    expect(await patients.countBy({ email: 'a@x.org' })).toBe(1)
  })

  it('have nothing to do where a property was renamed and keeps its column and field id', async () => {
    const { dataSource: first } = await migrate(Patient, 'Init1700000000000')
    await first.getRepository(Patient).insert({ id: 1, ward: 'A', email: 'a@x.org', age: 40 })
    await first.destroy()
    const dataSource = await start(Renamed)
    const statements = await pendingStatements(dataSource)
    expect(statements.filter((text) => !/INDEX/.test(text))).toEqual([])
    const found = await dataSource.getRepository(Renamed).findOneBy({ mail: 'a@x.org' })
    expect(found).toMatchObject({ mail: 'a@x.org' })
  })
})
