import { type QueryRunner, QueryRunnerAlreadyReleasedError } from 'typeorm'

/** Statements of a connection whose values are being sealed, and which are therefore not sent yet. */
const sealing = new WeakMap<QueryRunner, Set<Promise<unknown>>>()

const ENDS_TRANSACTION = /^\s*(?:COMMIT|ROLLBACK|RELEASE|END|ABORT)\b/i

/** Whether the statement ends a transaction or a savepoint of the application. */
export function endsTransaction(statement: string, parameters: unknown): boolean {
  return ENDS_TRANSACTION.test(statement) && !keyStatements.has(parameters as object)
}

/** Parameters of the key store's statements on the application's connections. */
const keyStatements = new WeakSet<object>()

/**
 * Marks a statement of the key store, which other statements wait for: where there is one connection, it
 * ends its own transaction or savepoint there, and would wait for itself.
 */
export function markKeyStatement(parameters: unknown[]): unknown[] {
  keyStatements.add(parameters)
  return parameters
}

/**
 * Notes a statement that is sent as soon as `work` is done.
 *
 * @throws QueryRunnerAlreadyReleasedError, as TypeORM does, where the connection was given back
 *   meanwhile: it may be in a transaction of somebody else
 */
export async function noteSealing(queryRunner: QueryRunner, work: Promise<void>): Promise<void> {
  const noted = sealing.get(queryRunner) ?? new Set()
  sealing.set(queryRunner, noted)
  const sent = work.then(nextTask, nextTask)
  noted.add(sent)
  sent.then(() => noted.delete(sent))
  await work
  if (queryRunner.isReleased) throw new QueryRunnerAlreadyReleasedError()
}

/**
 * Waits until the statements before were sent. TypeORM updates several rows at once, and rolls back when
 * one of them fails: a statement that still waits for its keys would be sent after the ROLLBACK, and
 * be committed by itself.
 *
 * @returns undefined where nothing waits
 */
export function afterSealing(queryRunner: QueryRunner): Promise<unknown> | undefined {
  const noted = sealing.get(queryRunner)
  return noted && noted.size > 0 ? Promise.all(noted) : undefined
}

/** By then TypeORM has handed the statement to the driver, which sends in the order of calls. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
