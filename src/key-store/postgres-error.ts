import { isMortiseError, MortiseError } from '../errors'

const MISSING_TABLES: readonly string[] = ['42P01', '42703', '3F000']
const NOT_ALLOWED = '42501'
const UNIQUE_VIOLATION = '23505'
/** Serialization failure, deadlock, too many connections, not (yet or any more) accepting them. */
const TEMPORARY =
  /^(?:40001|40P01|53300|57P0[1-3]|08...|ECONN[A-Z]+|ETIMEDOUT|EPIPE|EAI_AGAIN|E(HOST|NET)UNREACH)$/
/** What pg says without any code. */
const LOST = /^(?:Connection terminated|timeout exceeded when trying to connect)/

/** Whether PostgreSQL refused a row because a unique constraint already has it. */
export function isUniqueViolation(error: unknown): boolean {
  return codeOf(error) === UNIQUE_VIOLATION
}

/** ERR_KEY_STORE with what to do about it; errors of mortise itself pass unchanged. */
export function postgresStoreError(error: unknown): MortiseError {
  if (isMortiseError(error)) return error
  const code = codeOf(error)
  return new MortiseError(
    'ERR_KEY_STORE',
    `the key store in PostgreSQL could not be used${code === '' ? '' : ` (${code})`}: ${advice(code)}`,
    { cause: error, retryable: TEMPORARY.test(code) || LOST.test(messageOf(error)) },
  )
}

function advice(code: string): string {
  if (MISSING_TABLES.includes(code)) {
    return 'its tables are missing or older than this release; run the pending migrations, or createTables() of the store, and check its schema option'
  }
  if (code === NOT_ALLOWED) {
    return 'this role may not use the mortise_* tables; grant it SELECT, INSERT and UPDATE on them; destroying keys and changing wraps need DELETE as well'
  }
  return 'see the cause'
}

/** pg and PGlite set `code`; TypeORM copies it from the driver's error. */
function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : ''
}

function messageOf(error: unknown): string {
  return String((error as { message?: unknown } | null | undefined)?.message)
}
