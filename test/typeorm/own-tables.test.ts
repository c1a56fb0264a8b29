import {
  type DataSource,
  type DataSourceOptions,
  DefaultNamingStrategy,
  EntitySchema,
  type NamingStrategyInterface,
} from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MORTISE_TABLES } from '../../src/key-store/tables'
import { typeormKeyStore } from '../../src/typeorm/key-store'
import { ownMetadatas } from '../../src/typeorm/own-tables'
import { createDatabase, type TestDatabase } from '../database'
import { guardedDataSource, pendingStatements } from './data-source'

class SnakeNaming extends DefaultNamingStrategy {
  override tableName(target: string, given: string | undefined): string {
    return snake(given ?? target)
  }
  override columnName(property: string, given: string | undefined, prefixes: string[]): string {
    return snake([...prefixes, given ?? property].join('_'))
  }
}

/** Prefixes also the names that are given. */
class PrefixNaming extends DefaultNamingStrategy {
  override tableName(target: string, given: string | undefined): string {
    return `app_${super.tableName(target, given)}`
  }
  override columnName(property: string, given: string | undefined, prefixes: string[]): string {
    return `c_${super.columnName(property, given ?? '', prefixes)}`
  }
  override primaryKeyName(): string {
    return 'pk'
  }
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

const Ward = new EntitySchema<{ id: number; wardName: string }>({
  name: 'Ward',
  columns: { id: { type: Number, primary: true }, wardName: { type: String, unique: true } },
})

const names = MORTISE_TABLES.map(({ name }) => name)

let database: TestDatabase
let dataSource: DataSource | undefined

beforeEach(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  if (dataSource?.isInitialized) await dataSource.destroy()
  await database.drop()
})

async function open(options: Partial<DataSourceOptions> = {}): Promise<DataSource> {
  dataSource = guardedDataSource(database.url, { entities: [Ward], ...options } as never)
  return dataSource.initialize()
}

/** Every table, column, constraint and index, as PostgreSQL describes them. */
async function describeTables(source: DataSource): Promise<unknown[]> {
  return source.query(`SELECT c.relname AS name, c.relnamespace::regnamespace::text AS schema,
      (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod),
          a.attnotnull, a.atthasdef) ORDER BY a.attname)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns,
      (SELECT json_agg(json_build_array(k.conname, pg_get_constraintdef(k.oid)) ORDER BY k.conname)
        FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 'n') AS constraints,
      (SELECT json_agg(pg_get_indexdef(i.indexrelid) ORDER BY i.indexrelid::regclass::text)
        FROM pg_index i WHERE i.indrelid = c.oid) AS indexes
    FROM pg_class c WHERE c.relkind = 'r' AND c.relname LIKE 'mortise%' ORDER BY 1`)
}

const settings: [string, Partial<DataSourceOptions>][] = [
  ['default names', {}],
  ['a snake-case strategy', { namingStrategy: new SnakeNaming() as NamingStrategyInterface }],
  ['a prefixing strategy', { namingStrategy: new PrefixNaming() as NamingStrategyInterface }],
  ['an entityPrefix', { entityPrefix: 'pre_' }],
  ['a schema', { schema: 'Key Rooms' } as Partial<DataSourceOptions>],
  ['entities as an object', { entities: { Ward } }],
]

describe.each(settings)('with %s', (_name, options) => {
  beforeEach(async () => {
    const { schema } = options as { schema?: string }
    if (schema === undefined) return
    const source = await guardedDataSource(database.url).initialize()
    await source.query(`CREATE SCHEMA "${schema}"`)
    await source.destroy()
  })

  it('synchronize makes what createTables() makes, and nothing is left to change', async () => {
    const source = await open(options)
    const { createTables } = typeormKeyStore(source)
    await createTables?.()
    const created = await describeTables(source)
    expect(created.map((table) => (table as { name: string }).name).sort()).toEqual(
      names.toSorted(),
    )
    expect((await pendingStatements(source)).filter((sql) => sql.includes('mortise'))).toEqual([])
    for (const name of names.toReversed()) {
      await source.query(`DROP TABLE ${tablePath(name, options)}`)
    }
    await source.synchronize()
    expect(await describeTables(source)).toEqual(created)
    expect(await pendingStatements(source)).toEqual([])
    await createTables?.()
    expect(await describeTables(source)).toEqual(created)
  })
})

function tablePath(name: string, options: Partial<DataSourceOptions>): string {
  const { schema } = options as { schema?: string }
  return schema === undefined ? `"${name}"` : `"${schema}"."${name}"`
}

describe('the tables of the key store', () => {
  it('are made by synchronize at the start', async () => {
    const source = await open({ synchronize: true })
    expect(await describeTables(source)).toHaveLength(names.length)
    expect(await pendingStatements(source)).toEqual([])
  })

  it('are in what migration:generate writes', async () => {
    const statements = (await pendingStatements(await open())).join('\n')
    for (const name of names) expect(statements).toContain(`CREATE TABLE "${name}"`)
    expect(statements).toContain('CREATE TABLE "ward"')
  })

  it('are not among the entities, and leave the options as they are', async () => {
    const entities = [Ward]
    const source = await open({ entities })
    expect(source.entityMetadatas.map(({ name }) => name)).toEqual(['Ward'])
    expect([...source.entityMetadatasMap.keys()]).toHaveLength(1)
    expect(source.options.entities).toBe(entities)
    expect(entities).toEqual([Ward])
    expect(source.hasMetadata('mortise_key')).toBe(false)
  })

  it('come back changed to what they must be', async () => {
    const source = await open({ synchronize: true })
    await source.query('ALTER TABLE mortise_index DROP COLUMN bits')
    expect((await pendingStatements(source)).join()).toContain('ADD "bits" integer')
    await source.synchronize()
    expect(await pendingStatements(source)).toEqual([])
  })

  it('keep the names that were given, in the schema of the DataSource', async () => {
    const source = guardedDataSource(database.url, {
      schema: 'rooms',
      entityPrefix: 'pre_',
      namingStrategy: new PrefixNaming() as NamingStrategyInterface,
    })
    const metadatas = await ownMetadatas(source, MORTISE_TABLES)
    expect(metadatas.map(({ tablePath }) => tablePath)).toEqual(names.map((n) => `rooms.${n}`))
    expect(metadatas.map(({ columns }) => columns.map(({ databaseName }) => databaseName))).toEqual(
      MORTISE_TABLES.map(({ columns }) => columns.map(({ name }) => name)),
    )
  })
})
