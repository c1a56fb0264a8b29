import type { DataSource, EntityManager, EntityMetadata, ObjectLiteral, QueryRunner } from 'typeorm'
import { MortiseError } from '../errors'
import { JOB_TABLES, MORTISE_TABLES } from '../key-store/tables'
import type { KeyAccess } from '../keys/access'
import { type Keyring, keyAccess } from '../keys/keyring'
import { bindMetadata } from './bind-metadata'
import { checkViews } from './check-views'
import { describeSchema } from './describe-schema'
import { type EncryptedColumn, encryptedColumnsOf } from './encrypted-column'
import { keepIndexesFresh } from './fresh-indexes'
import { noteInserted } from './keep-undefined'
import { typeormKeyStore } from './key-store'
import { canConnect } from './own-connection'
import { ownMetadatas } from './own-tables'
import { Placeholder } from './placeholder'
import { createPreparation } from './prepare'
import { redactLogger, redactNotFound } from './redact-errors'
import {
  hideParameters,
  installRuntime,
  type Runtime,
  resolvePlaceholders,
  sessionOf,
} from './runtime'
import { guardSchemaBuilder } from './schema-guard'
import { EncryptedSelectBuilder } from './select-builder'
import { afterSealing, endsTransaction, noteSealing } from './statement-order'
import { wrapProperty } from './wrap-property'

/** How a DataSource is encrypted. */
export interface EncryptionOptions {
  /** Made by `createKeyring`; without a store of its own it uses tables of this DataSource. */
  readonly keyring: Keyring
  /** Makes `initialize()` fail where keys cannot be loaded, instead of the first sealed statement. */
  readonly requireKeys?: boolean | undefined
  /**
   * How many rows beyond its page one query may open to refine or sort.
   *
   * @defaultValue 20,000
   */
  readonly maxRefine?: number | undefined
  /**
   * How values are read whose subject was shredded: `'null'` gives null for each, whatever the
   * property's type says; saving such an entity leaves them as they are.
   *
   * @defaultValue `'throw'`: ERR_SUBJECT_SHREDDED
   */
  readonly shredded?: 'throw' | 'null' | undefined
  /**
   * What a stored value that does not open does to its page: `'sealed'` puts a {@link Sealed} on its
   * property and opens all others; a key store or provider that cannot be asked fails the page even so.
   *
   * @defaultValue `'throw'`: the first such value fails the page
   */
  readonly damaged?: 'throw' | 'sealed' | undefined
}

const DEFAULT_MAX_REFINE = 20_000
/** What may be missing at the start of an application that is about to migrate its database. */
const MAY_COME_LATER: readonly string[] = ['ERR_KEY_STORE', 'ERR_KEY_PROVIDER', 'ERR_FIELD_INVALID']
const installed = new WeakSet<DataSource>()

/** The undocumented members that are overridden, on this instance only. */
interface Overridable {
  buildMetadatas(): Promise<void>
  createQueryBuilder(...parameters: unknown[]): object
  createEntityManager(queryRunner?: QueryRunner): EntityManager
}

/**
 * Encrypts the `@Encrypted` properties of a DataSource. Changes no option, prototype or global of
 * TypeORM; the same classes may live in other DataSources with other keyrings.
 *
 * Costs nothing until `initialize()`, which then loads the keys and makes the first ones.
 *
 * @returns the same DataSource
 * @throws ERR_CONFIG after `initialize()`, a second time, for another database than PostgreSQL, or for
 *   a foreign keyring
 */
export function withEncryption(dataSource: DataSource, options: EncryptionOptions): DataSource {
  checkInstall(dataSource, options)
  const keys = keyAccess(options.keyring)
  let columns: readonly EncryptedColumn[] = []
  let tables: readonly EntityMetadata[] = []
  let keptHere = false
  const survivesRollback = () => !keptHere || canConnect(dataSource)
  const preparation = createPreparation(keys, () => columns, survivesRollback)
  const runtime: Runtime = {
    keys,
    maxRefine: options.maxRefine ?? DEFAULT_MAX_REFINE,
    shredded: options.shredded ?? 'throw',
    damaged: options.damaged ?? 'throw',
    prepare: preparation.prepare,
  }
  const attach = () =>
    keys.attachStore(dataSource, () => {
      keptHere = true
      return typeormKeyStore(dataSource)
    })
  attach()
  installRuntime(dataSource, runtime)
  overrideMetadatas(dataSource, async () => {
    preparation.reset()
    columns = bindMetadata(dataSource.entityMetadatas, keys.domain)
    checkSubjectKeys(columns, keys)
    checkViews(dataSource)
    tables = await ownMetadatas(dataSource, keptHere ? MORTISE_TABLES : JOB_TABLES)
    describeSchema(dataSource, options.keyring, columns)
    dataSource.subscribers.push(placeholderResolver(runtime))
  })
  guardSchemaBuilder(dataSource, () => tables, keys)
  overrideBuilders(dataSource)
  overrideGeneratedMaps(dataSource)
  overrideInitialize(dataSource, runtime, options.requireKeys ?? false)
  overrideStart(dataSource, () => keepIndexesFresh(dataSource, runtime, columns))
  keepKeyringWhileStarted(dataSource, keys, attach)
  redactLogger(dataSource)
  return dataSource
}

function checkInstall(dataSource: DataSource, options: EncryptionOptions): void {
  const { maxRefine = 0, shredded = 'throw', damaged = 'throw' } = options
  const problem = dataSource.isInitialized
    ? 'withEncryption() must come before dataSource.initialize()'
    : installed.has(dataSource)
      ? 'withEncryption() was already called on this DataSource'
      : !Number.isSafeInteger(maxRefine) || maxRefine < 0
        ? 'maxRefine must be a whole number of rows'
        : shredded !== 'throw' && shredded !== 'null'
          ? "shredded must be 'throw' or 'null'"
          : damaged !== 'throw' && damaged !== 'sealed'
            ? "damaged must be 'throw' or 'sealed'"
            : undefined
  if (problem) throw new MortiseError('ERR_CONFIG', problem)
  installed.add(dataSource)
}

function checkSubjectKeys(columns: readonly EncryptedColumn[], { wrapping }: KeyAccess): void {
  const column = columns.find(({ subject }) => subject !== null)
  if (!column || wrapping === 'local') return
  throw new MortiseError(
    'ERR_CONFIG',
    `${column.field.name} has a subject, and the keyring's DEKs are wrapped by the provider, which ` +
      "has no keys of subjects: use a keyring with wrapping 'local'",
    { field: column.field.name },
  )
}

function overrideMetadatas(dataSource: DataSource, bind: () => Promise<void>): void {
  const overridable = dataSource as unknown as Overridable
  const build = overridable.buildMetadatas.bind(dataSource)
  overridable.buildMetadatas = async () => {
    await build()
    await bind()
  }
}

function overrideBuilders(dataSource: DataSource): void {
  const overridable = dataSource as unknown as Overridable
  wrapProperty(overridable, 'createQueryBuilder', (create) => (...parameters) => {
    const builder = create.apply(dataSource, parameters)
    return Object.setPrototypeOf(builder, EncryptedSelectBuilder.prototype)
  })
  wrapProperty(overridable, 'createEntityManager', (create) => (queryRunner) => {
    return redactNotFound(create.call(dataSource, queryRunner))
  })
  redactNotFound(dataSource.manager)
}

/**
 * Keeps what RETURNING gives of encrypted columns in `raw`: TypeORM merges generated maps into the
 * caller's entity without any transformer, and the next `save()` would seal the ciphertext.
 */
function overrideGeneratedMaps({ driver }: DataSource): void {
  const create = driver.createGeneratedMap.bind(driver)
  driver.createGeneratedMap = (metadata, row: ObjectLiteral | undefined, ...more) => {
    return create(metadata, row && withoutEnvelopes(metadata, row), ...more)
  }
}

function withoutEnvelopes(metadata: EntityMetadata, row: ObjectLiteral): ObjectLiteral {
  const names = encryptedColumnsOf(metadata).map(({ main }) => main.databaseName)
  if (!names.some((name) => Object.hasOwn(row, name))) return row
  return Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)))
}

function overrideInitialize(dataSource: DataSource, runtime: Runtime, required: boolean): void {
  const initialize = dataSource.initialize.bind(dataSource)
  dataSource.initialize = async () => {
    await initialize()
    const queryRunner = dataSource.createQueryRunner()
    try {
      checkDriver(await queryRunner.connect())
      await runtime.prepare(sessionOf(queryRunner))
    } catch (error) {
      if (required || !MAY_COME_LATER.includes((error as MortiseError).code)) {
        await queryRunner.release()
        await dataSource.destroy()
        throw error
      }
    } finally {
      if (!queryRunner.isReleased) await queryRunner.release()
    }
    return dataSource
  }
}

/**
 * TypeORM takes pg-native wherever it is installed, which sends bytes as a C string: what follows a zero
 * byte is lost, and what is no UTF-8 replaced, so that no envelope could ever be opened.
 *
 * @param client - of `pg`, or of a module that stands in for it
 * @throws ERR_CONFIG
 */
function checkDriver(client: object): void {
  if (!('native' in client)) return
  throw new MortiseError(
    'ERR_CONFIG',
    'pg-native is installed, and TypeORM uses it; it does not send bytes as they are, and every ' +
      'encrypted value would be lost: uninstall pg-native',
  )
}

function overrideStart(dataSource: DataSource, started: () => void): void {
  const initialize = dataSource.initialize.bind(dataSource)
  dataSource.initialize = async () => {
    await initialize()
    started()
    return dataSource
  }
}

/**
 * A start that failed lets the keyring go: NestJS, for one, tries again with a new DataSource, and
 * would meet "another DataSource" instead of what is wrong.
 */
function keepKeyringWhileStarted(
  dataSource: DataSource,
  keys: KeyAccess,
  attach: () => void,
): void {
  const initialize = dataSource.initialize.bind(dataSource)
  dataSource.initialize = async () => {
    attach()
    try {
      return await initialize()
    } catch (error) {
      if (!dataSource.isInitialized) keys.releaseStore(dataSource)
      throw error
    }
  }
}

/** TypeORM awaits this with the very array that goes to the driver. */
function placeholderResolver(runtime: Runtime): DataSource['subscribers'][number] {
  return {
    beforeQuery({ query, parameters, queryRunner }) {
      if (Array.isArray(parameters) && parameters.some((one) => one instanceof Placeholder)) {
        const work = resolvePlaceholders(runtime, parameters, sessionOf(queryRunner))
        return noteSealing(queryRunner, work)
      }
      return endsTransaction(query, parameters) ? afterSealing(queryRunner) : undefined
    },
    beforeInsert({ metadata, entity }) {
      noteInserted(metadata, entity)
    },
    afterQuery({ parameters, success }) {
      if (!success && Array.isArray(parameters)) hideParameters(parameters)
    },
  }
}
