import type { DataSource, QueryRunner } from 'typeorm'
import { type SealInput, sealRecords } from '../envelope/seal'
import { toStored } from '../envelope/stored-form'
import { MortiseError } from '../errors'
import type { Session } from '../key-store/store'
import type { KeyAccess, SealingKey } from '../keys/access'
import { encryptedColumnOfField } from './encrypted-column'
import { dataSourceOf, internalsOf } from './internals'
import type { DamagedValues } from './open-values'
import { Placeholder, type WriteRecord } from './placeholder'
import { addTo, resolveIndexes } from './resolve-indexes'
import { markKeyStatement } from './statement-order'

/** What one DataSource needs to seal and to open: its keys, and whether they may be used yet. */
export interface Runtime {
  readonly keys: KeyAccess
  /** How many rows beyond its page one query may open. */
  readonly maxRefine: number
  /** How the values of a subject whose key was destroyed are read. */
  readonly shredded: 'throw' | 'null'
  /** What becomes of stored values that do not open. */
  readonly damaged: DamagedValues
  /** Compares the declarations with the key store and loads keys, once. */
  prepare(session: Session): Promise<void>
}

const runtimes = new WeakMap<DataSource, Runtime>()

/** Binds a runtime to its DataSource. */
export function installRuntime(dataSource: DataSource, runtime: Runtime): void {
  runtimes.set(dataSource, runtime)
}

/** The runtime of a DataSource that `withEncryption` was called on. */
export function runtimeOf(dataSource: DataSource): Runtime {
  const runtime = runtimes.get(dataSource)
  if (runtime) return runtime
  throw new MortiseError('ERR_NOT_INSTALLED', 'call withEncryption(dataSource, { keyring }) first')
}

/** Key-store reads on the connection of the statement that needs the key. */
export function sessionOf(queryRunner: QueryRunner): Session {
  return {
    query: (sql, parameters) => queryRunner.query(sql, markKeyStatement([...parameters])),
    inTransaction: queryRunner.isTransactionActive,
  }
}

/**
 * Replaces the placeholders of one statement by envelopes and tokens, in place.
 *
 * One DEK per record and one batch per statement: a key is fetched at most once for all of it.
 *
 * @param parameters - the very array that goes to the driver
 * @throws ERR_NOT_INSTALLED where a placeholder was not bound to a record
 */
export async function resolvePlaceholders(
  runtime: Runtime,
  parameters: unknown[],
  session: Session,
): Promise<void> {
  await runtime.prepare(session)
  const places: number[] = []
  const records = new Map<WriteRecord, number[]>()
  parameters.forEach((parameter, index) => {
    if (!(parameter instanceof Placeholder)) return
    places.push(index)
    if (parameter.use === 'seal') addTo(records, parameter.record ?? { subject: null }, index)
  })
  sealedPlaces.set(parameters, places)
  await resolveIndexes(runtime.keys, parameters, places, session)
  if (records.size > 0) await sealPlaceholders(runtime, parameters, records, session)
}

const HIDDEN = '[encrypted]'
/** Where the envelopes and tokens of a statement were put. */
const sealedPlaces = new WeakMap<readonly unknown[], readonly number[]>()

/** The parameters of a statement without the envelopes and tokens that were put into them. */
export function shownParameters(parameters: readonly unknown[]): unknown[] {
  const shown = [...parameters]
  for (const place of sealedPlaces.get(parameters) ?? []) shown[place] = HIDDEN
  return shown
}

/** Takes envelopes and tokens out of the parameters of a statement that failed, which its error shows. */
export function hideParameters(parameters: unknown[]): void {
  for (const place of sealedPlaces.get(parameters) ?? []) parameters[place] = HIDDEN
}

/** The statement of a builder with its placeholders resolved, on a connection that is given back. */
export async function resolvedStatement(builder: object): Promise<[string, unknown[]]> {
  const dataSource = dataSourceOf(builder)
  const [sql, parameters] = internalsOf(builder).getQueryAndParameters()
  if (!parameters.some((one) => one instanceof Placeholder)) return [sql, parameters]
  const runner = dataSource.createQueryRunner()
  try {
    await resolvePlaceholders(runtimeOf(dataSource), parameters, sessionOf(runner))
  } finally {
    await runner.release()
  }
  return [sql, parameters]
}

async function sealPlaceholders(
  { keys }: Runtime,
  parameters: unknown[],
  records: Map<WriteRecord, number[]>,
  session: Session,
): Promise<void> {
  const subjects = new Set(Array.from(records.keys(), ({ subject }) => subject))
  const sealingKeys = await keys.sealingKeys(subjects, session)
  const sealed = await sealRecords(
    Array.from(records, ([{ subject }, places]) => ({
      key: sealingKeys.get(subject) as SealingKey,
      values: places.map((place) => sealInput(parameters[place] as Placeholder)),
    })),
  )
  putEnvelopes(parameters, records, sealed)
}

function putEnvelopes(
  parameters: unknown[],
  records: ReadonlyMap<WriteRecord, readonly number[]>,
  sealed: readonly (readonly Buffer[])[],
): void {
  let record = 0
  for (const places of records.values()) {
    const envelopes = sealed[record++] as readonly Buffer[]
    places.forEach((place, i) => {
      const { field } = parameters[place] as Placeholder
      parameters[place] = toStored(envelopes[i] as Buffer, encryptedColumnOfField(field).form)
    })
  }
}

function sealInput({ field, encoded, rowId }: Placeholder): SealInput {
  return { field: encryptedColumnOfField(field).context, encoded, rowId }
}
