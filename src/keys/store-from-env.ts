import { fileKeyStore } from '../key-store/file'
import { type PostgresPool, postgresKeyStore } from '../key-store/postgres-pool'
import type { KeyStore } from '../key-store/store'
import { type EnvironmentSettings, settingError } from './environment'

const STORE = 'MORTISE_KEY_STORE'

/**
 * The key store that `MORTISE_KEY_STORE` names; undefined leaves it to the DataSource.
 *
 * @throws ERR_CONFIG for another kind of store, or where the package `pg` is not installed
 */
export function storeFromSettings(settings: EnvironmentSettings): KeyStore | undefined {
  const place = settings.text(STORE)
  if (place === undefined) return undefined
  const [, path] = /^file:(.+)$/s.exec(place) ?? []
  if (path !== undefined) return fileKeyStore(path)
  if (/^postgres(ql)?:\/\//.test(place)) return ownPool(place)
  throw settingError(STORE, "must begin with 'file:' or 'postgresql://'")
}

/** A database that hangs is an error in time for those who wait for a key. */
const OWN_POOL = {
  max: 2,
  allowExitOnIdle: true,
  connectionTimeoutMillis: 10_000,
  query_timeout: 10_000,
}

/** A small pool of the keyring's own, closed with it: keys are read rarely and written more rarely. */
function ownPool(connectionString: string): KeyStore {
  const pool = new (loadPg().Pool)({ connectionString, ...OWN_POOL })
  // A connection that breaks while it is idle is replaced by the next use, which has its own error.
  pool.on('error', () => {})
  return { ...postgresKeyStore(pool), close: () => pool.end() }
}

interface OwnedPool extends PostgresPool {
  on(event: 'error', listener: () => void): unknown
  end(): Promise<void>
}

interface Pg {
  Pool: new (options: typeof OWN_POOL & { connectionString: string }) => OwnedPool
}

function loadPg(): Pg {
  try {
    return require('pg') as Pg
  } catch (cause) {
    throw settingError(STORE, "needs the package pg: run 'npm install pg'", cause)
  }
}
