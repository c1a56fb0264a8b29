import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { MortiseError } from '../errors'
import type { Keyring } from '../keys/keyring'
import { keyringFromEnv } from '../keys/keyring-from-env'
import { schemaOf } from '../schema'
import { loadModule } from './load-module'
import { UsageError } from './usage-error'

/** The part of a TypeORM DataSource that is used here; the verbs take it as an object. */
export interface ProjectDataSource {
  readonly isInitialized: boolean
  readonly options: { readonly type: string; readonly schema?: string }
  setOptions(options: object): unknown
  initialize(): Promise<unknown>
  destroy(): Promise<void>
}

/** What a command works on, open until it ends. */
export interface Target {
  readonly keyring: Keyring
  /** `null` where the keyring came from the environment. */
  readonly dataSource: ProjectDataSource | null
  close(): Promise<void>
}

/** What a command that reads data works on. */
export interface DataTarget extends Target {
  readonly dataSource: ProjectDataSource
}

/**
 * Opens the encrypted DataSource that a module of the project exports.
 *
 * It connects as the application does, but makes no tables, runs no migrations, loads no subscribers
 * and logs no statements, whatever its options say.
 *
 * @throws ERR_CONFIG for a file that exports none, or one that is not encrypted
 */
export async function openDataSource(path: string): Promise<DataTarget> {
  const file = resolve(path)
  const dataSource = await exportedDataSource(file)
  refuseOtherCopy(file)
  if (!dataSource.isInitialized) {
    dataSource.setOptions(PASSIVE)
    await dataSource.initialize()
  }
  const close = async (keyring?: Keyring): Promise<void> => {
    if (dataSource.isInitialized) await dataSource.destroy()
    await keyring?.close()
  }
  try {
    const { keyring } = schemaOf(dataSource)
    return { keyring, dataSource, close: () => close(keyring) }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Opens the keyring: of the DataSource where one is given, else of the environment.
 *
 * @throws ERR_CONFIG as `openDataSource` and `keyringFromEnv` do
 */
export async function openKeys(path: string | undefined): Promise<Target> {
  if (path !== undefined) return openDataSource(path)
  const { MORTISE_KEY_PROVIDERS: providers, MORTISE_KEY_STORE: store } = process.env
  if (providers === undefined || store === undefined) {
    throw new UsageError(
      'give --data-source FILE, or set MORTISE_KEY_PROVIDERS and MORTISE_KEY_STORE to work on the keys alone',
    )
  }
  const keyring = keyringFromEnv()
  return { keyring, dataSource: null, close: () => keyring.close() }
}

/** What a job must not do by the way, as TypeORM's own command line has it. */
const PASSIVE = {
  synchronize: false,
  migrationsRun: false,
  dropSchema: false,
  subscribers: [],
  // An empty list replaces the logger; `false` would leave the one that exists.
  logging: [],
}

const IS_DATA_SOURCE = Symbol.for('DataSource')

/** The one DataSource that a module exports, under any name, itself or as a promise. */
async function exportedDataSource(file: string): Promise<ProjectDataSource> {
  const exported = await loadModule(file)
  const values = await Promise.all([exported, ...Object.values(Object(exported))])
  const nested = await Promise.all(values.flatMap((value) => [value, Object(value).default]))
  const found = new Set(nested.filter(isDataSource))
  const [dataSource] = found
  if (dataSource !== undefined && found.size === 1) return dataSource
  const problem = found.size === 0 ? 'exports no DataSource' : 'exports more than one DataSource'
  throw new MortiseError(
    'ERR_CONFIG',
    `${file} ${problem}: export the one that withEncryption was called on`,
  )
}

/** TypeORM marks its objects, so that they are known whichever copy of TypeORM made them. */
function isDataSource(value: unknown): value is ProjectDataSource {
  return Object(value)['@instanceof'] === IS_DATA_SOURCE
}

/** Keyrings of another copy of the package are strangers to this one. */
function refuseOtherCopy(file: string): void {
  const own = realpathSync(join(__dirname, '..', '..'))
  const theirs = packageOf(file)
  if (theirs === null || theirs === own) return
  throw new MortiseError(
    'ERR_CONFIG',
    `${file} uses the mortise in ${theirs}, and this command is part of the one in ${own}: run it by npx in that project`,
  )
}

function packageOf(file: string): string | null {
  try {
    return realpathSync(dirname(createRequire(file).resolve('mortise/package.json')))
  } catch {
    return null
  }
}
