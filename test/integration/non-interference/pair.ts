import { DataSource, type DataSourceOptions, EventSubscriber, type Logger } from 'typeorm'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../../src'
import { withEncryption } from '../../../src/typeorm'
import { createDatabase } from '../../database'
import type { Behaviour } from './behaviour'
import { AddShelf1700000000001, AddShelfLabel1700000000002 } from './migrations'
import { plainEntities, Secret } from './more-entities'
import { normaliser } from './normalise'

/** What one behaviour did: its result or error, and all that TypeORM told its logger and subscribers. */
export interface Observation {
  readonly result?: unknown
  readonly error?: unknown
  readonly log: readonly unknown[]
  readonly events: readonly unknown[]
}

/** One DataSource of the pair. */
interface Side {
  readonly source: DataSource
  readonly log: unknown[]
  drop(): Promise<void>
}

/** Two DataSources with the same plain entities; the second one is encrypted and has a secret as well. */
export interface Pair {
  readonly plain: Side
  readonly encrypted: Side
}

const events = new WeakMap<DataSource, string[]>()

type Told = {
  dataSource?: DataSource
  connection?: DataSource
  metadata?: { name: string }
  entity?: object
  entityId?: unknown
  query?: string
  updatedColumns?: { propertyName: string }[]
}

/** Hears everything, for all entities. */
@EventSubscriber()
class Witness {}

for (const name of [
  ...['afterLoad', 'beforeInsert', 'afterInsert', 'beforeUpdate', 'afterUpdate'],
  ...['beforeRemove', 'afterRemove', 'beforeSoftRemove', 'afterSoftRemove', 'beforeRecover'],
  ...['afterRecover', 'beforeTransactionStart', 'afterTransactionStart', 'beforeQuery'],
  ...['beforeTransactionCommit', 'afterTransactionCommit', 'beforeTransactionRollback'],
  ...['afterTransactionRollback', 'afterQuery'],
]) {
  Object.defineProperty(Witness.prototype, name, {
    value(...told: [Told, Told?]) {
      // afterLoad is given the entity first.
      const event = told[1] ?? told[0]
      const source = (event.dataSource ?? event.connection) as DataSource
      const columns = event.updatedColumns?.map(({ propertyName }) => propertyName)
      const facts = [event.metadata?.name, event.entityId, event.query, columns]
      events.get(source)?.push([name, ...facts.map((fact) => JSON.stringify(fact))].join(' '))
    },
  })
}

/** How a DataSource of the pair connects, and what else it is told. */
export type Options = (url: string) => object

export async function openPair(options: Options): Promise<Pair> {
  return { plain: await open(options, false), encrypted: await open(options, true) }
}

async function open(options: Options, encrypt: boolean): Promise<Side> {
  const database = await createDatabase()
  const log: unknown[] = []
  const source = new DataSource({
    type: 'postgres',
    entities: [...plainEntities, ...(encrypt ? [Secret] : [])],
    subscribers: [Witness],
    migrations: [AddShelf1700000000001, AddShelfLabel1700000000002],
    synchronize: true,
    cache: true,
    logging: true,
    logger: new Recorder(log),
    ...options(database.url),
  } as DataSourceOptions)
  events.set(source, [])
  if (encrypt) {
    const provider = inAppKeyProvider({ name: 'main', secret: generateRootKey() })
    // One of the behaviours drops all tables; that those of the keys went back is not the question here.
    const cache = { epochPollMs: 60_000 }
    withEncryption(source, { keyring: createKeyring({ providers: [provider], cache }) })
  }
  await source.initialize()
  await fixPlans(source)
  return { source, log, drop: database.drop }
}

/** Statistics would change plans, and with them the order of rows that were not put in order. */
async function fixPlans(source: DataSource): Promise<void> {
  const tables = await source.query(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  )
  for (const { name } of tables) {
    await source.query(`ALTER TABLE ${name} SET (autovacuum_enabled = false)`)
  }
}

/** Keeps what it is told in a private field, as a logger of an application may. */
class Recorder implements Logger {
  readonly #log: unknown[]
  constructor(log: unknown[]) {
    this.#log = log
  }
  logQuery(query: string, parameters?: unknown[]): void {
    this.#log.push(['query', query, parameters])
  }
  logQueryError(error: string | Error, query: string, parameters?: unknown[]): void {
    this.#log.push(['error', error, query, parameters])
  }
  logQuerySlow(_: number, query: string): void {
    this.#log.push(['slow', query])
  }
  logSchemaBuild(message: string): void {
    this.#log.push(['schema', message])
  }
  logMigration(message: string): void {
    this.#log.push(['migration', message])
  }
  log(level: string, message: unknown): void {
    this.#log.push([level, message])
  }
}

/**
 * Statements that name the encrypted neighbour or the key store, and those that read or empty the
 * database's catalog, which list all tables in one statement.
 */
const OF_NEIGHBOUR =
  /mortise_|\bsecret\b|information_schema|\bpg_\w+|to_regclass|DROP TABLE IF EXISTS/

/**
 * Runs a behaviour on one side and tells all that can be seen of it.
 *
 * @param inOrder - whether statements have an order: those that are sent at once do not
 */
export async function observe(
  { source, log }: Side,
  behaviour: Behaviour,
  inOrder: boolean,
): Promise<Observation> {
  const heard = events.get(source) as string[]
  log.length = heard.length = 0
  const outcome = await (async () => behaviour(source))().then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  )
  const normalise = normaliser()
  const plain = (entries: unknown[]): unknown[] => {
    const own = entries.filter((entry) => !OF_NEIGHBOUR.test(JSON.stringify(entry)))
    return inOrder ? own : own.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  return {
    ...(normalise(outcome) as object),
    log: plain(normalise(log) as unknown[]),
    events: plain(normalise(heard) as unknown[]),
  }
}

export async function closePair({ plain, encrypted }: Pair): Promise<void> {
  for (const side of [plain, encrypted]) {
    if (side.source.isInitialized) await side.source.destroy()
    await side.drop()
  }
}
