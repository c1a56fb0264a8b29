import { PGlite } from '@electric-sql/pglite'
import { createKeyring, generateRootKey, inAppKeyProvider, type Keyring } from 'mortise'
import { withEncryption } from 'mortise/typeorm'
import { DataSource } from 'typeorm'
import { Person } from './person'
import { type PgliteDriver, pgliteDriver } from './pglite-driver'
import { createStatementLog, type StatementLog } from './statement-log'

/** An application: its database, and the keys that only it can open. */
export interface Application {
  readonly dataSource: DataSource
  readonly keyring: Keyring
  readonly log: StatementLog
  /** Another application on the same rows and the same stored keys, with a root key of its own. */
  openWithOtherRootKey(): Promise<Application>
  close(): Promise<void>
}

/** Starts a PostgreSQL in the memory of this process, with the tables that the entity asks for. */
export function openDatabase(): Promise<Application> {
  return openApplication(pgliteDriver(new PGlite()), { synchronize: true })
}

async function openApplication(
  driver: PgliteDriver,
  { synchronize }: { synchronize: boolean },
): Promise<Application> {
  const log = createStatementLog()
  const dataSource = new DataSource({
    ...{ type: 'postgres', driver, installExtensions: false, entities: [Person] },
    ...{ logging: ['query'], logger: log, synchronize },
  })
  const provider = inAppKeyProvider({ name: 'demo', secret: generateRootKey() })
  const keyring = createKeyring({ providers: [provider] })
  await withEncryption(dataSource, { keyring }).initialize()
  return {
    ...{ dataSource, keyring, log },
    openWithOtherRootKey: () => openApplication(guestOf(driver), { synchronize: false }),
    close: async () => {
      await keyring.close()
      await dataSource.destroy()
    },
  }
}

/** The one PGlite ends with the application that started it, not with its guests. */
function guestOf({ Pool }: PgliteDriver): PgliteDriver {
  return {
    Pool: class extends Pool {
      override end(done: (error: unknown) => void): void {
        done(null)
      }
    },
  }
}
