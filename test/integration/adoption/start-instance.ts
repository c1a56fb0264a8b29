import { DataSource, type DataSourceOptions } from 'typeorm'
import { createKeyring, inAppKeyProvider, type Keyring } from '../../../src'
import { withEncryption } from '../../../src/typeorm'

/** One instance of an application with one entity. */
export interface Instance<E extends object = object> {
  readonly dataSource: DataSource
  readonly entity: new () => E
  /** Null in an application that encrypts nothing. */
  readonly keyring: Keyring | null
}

/** Where instances run. */
export interface Place {
  readonly url: string
  /** The root key; null for an application that encrypts nothing. */
  readonly secret: string | null
}

/** Starts an instance; the first one of a database has `synchronize`. */
export async function startInstance<E extends object>(
  { url, secret }: Place,
  entity: new () => E,
  options: Partial<DataSourceOptions> = {},
): Promise<Instance<E>> {
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    entities: [entity],
    ...options,
  } as DataSourceOptions)
  if (secret === null) return { dataSource: await dataSource.initialize(), entity, keyring: null }
  const keyring = createKeyring({ providers: [inAppKeyProvider({ name: 'test', secret })] })
  await withEncryption(dataSource, { keyring }).initialize()
  return { dataSource, entity, keyring }
}

/** Runs what `migration:generate` would write, as one migration; gives what takes it back. */
export async function migrate(dataSource: DataSource): Promise<() => Promise<void>> {
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log()
  const run = (queries: typeof upQueries) =>
    dataSource.transaction(async (manager) => {
      for (const { query, parameters } of queries) await manager.query(query, parameters)
    })
  await run(upQueries)
  return () => run([...downQueries].reverse())
}
