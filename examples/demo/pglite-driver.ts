import type { PGlite, Results } from '@electric-sql/pglite'
import { types } from 'pg'
// @ts-expect-error @types/pg does not declare it
import { prepareValue as untyped } from 'pg/lib/utils'

/** How `pg` sends a parameter: bytes as a Buffer, everything else as text. */
const prepareValue: (value: unknown) => string | Buffer | null = untyped

/** What TypeORM reads of a `pg` result. */
interface Answer {
  readonly command: string
  readonly rowCount: number
  readonly rows: Record<string, unknown>[]
}

type Done<T extends unknown[]> = (error: unknown, ...result: T) => void

/** The part of a `pg` client that TypeORM uses. */
interface Connection {
  query(sql: string, parameters?: readonly unknown[]): Promise<Answer>
  query(sql: string, done: Done<[Answer?]>): void
  on(): void
  removeListener(): void
}

/** The part of the module `pg` that TypeORM uses; there is no `Client` that could be connected. */
export interface PgliteDriver {
  readonly Pool: new () => {
    on(): void
    connect(done: Done<[Connection, () => void]>): void
    end(done: Done<[]>): void
  }
}

/**
 * Lets TypeORM's `postgres` driver run on one PGlite: `new DataSource({ type: 'postgres', driver:
 * pgliteDriver(db), installExtensions: false })`.
 *
 * PGlite has one backend, so a pool is a queue here: whoever holds the connection, perhaps with an
 * open transaction, is alone until it is released. Values pass through pg's own conversions.
 *
 * @param database - closed when TypeORM closes its pool
 */
export function pgliteDriver(database: PGlite): PgliteDriver {
  const connection = connectionTo(database)
  let released: Promise<void> = Promise.resolve()
  return {
    Pool: class {
      on(): void {}
      connect(done: Done<[Connection, () => void]>): void {
        const turn = released
        const { promise, resolve } = withResolver()
        released = promise
        void turn.then(() => done(null, connection, resolve))
      }
      end(done: Done<[]>): void {
        database.close().then(() => done(null), done)
      }
    },
  }
}

function connectionTo(database: PGlite): Connection {
  const query = async (sql: string, parameters: readonly unknown[] = []): Promise<Answer> => {
    const results = await (parameters.length === 0
      ? database.exec(sql, { parsers })
      : database.query(sql, parameters.map(parameterText), { parsers, serializers }).then(list))
    return answer(sql, results.at(-1))
  }
  return {
    query: ((sql: string, rest?: readonly unknown[] | Done<[Answer?]>) => {
      if (typeof rest !== 'function') return query(sql, rest)
      query(sql).then((result) => rest(null, result), rest)
      return undefined
    }) as Connection['query'],
    on() {},
    removeListener() {},
  }
}

function answer(sql: string, result: Results<unknown> | undefined): Answer {
  const rows = (result?.rows ?? []) as Record<string, unknown>[]
  const command = /^\s*(\w*)/.exec(sql)?.[1]?.toUpperCase() ?? ''
  const changed = command === 'SELECT' ? undefined : result?.affectedRows
  return { command, rows, rowCount: changed ?? rows.length }
}

/** As `pg` sends it, in text: that is what PGlite takes without knowing the parameter's type. */
function parameterText(value: unknown): string | null {
  const prepared = prepareValue(value)
  return Buffer.isBuffer(prepared) ? `\\x${prepared.toString('hex')}` : prepared
}

/** Arrays of the types below, text[] and so on, which `pg` parses but does not name. */
const ARRAYS = [199, 1000, 1001, 1005, 1007, 1009, 1015, 1016, 1021, 1022, 1115, 1182, 1185, 1231]

/** The parsers of `pg`, so that bigint is text and bytea a Buffer; PGlite has its own. */
const parsers: Record<number, (text: string) => unknown> = Object.fromEntries(
  [...Object.values(types.builtins), ...ARRAYS].map((oid) => [oid, types.getTypeParser(oid)]),
)

/** Parameters are text already. */
const serializers: Record<number, (text: string) => string> = new Proxy(
  {},
  { get: () => (text: string) => text },
)

function list<T>(value: T): T[] {
  return [value]
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
