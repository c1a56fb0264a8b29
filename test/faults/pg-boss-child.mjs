// A worker on a queue of pg-boss: takes part until its standard input ends, or until it is killed.
//
// Usage: node pg-boss-child.mjs DATABASE_URL ROOT_KEY
import 'reflect-metadata'
import { createKeyring, inAppKeyProvider } from 'mortise'
import { createRotationQueue } from 'mortise/pg-boss'
import { Encrypted, withEncryption } from 'mortise/typeorm'
import PgBoss from 'pg-boss'
import { DataSource, Entity, PrimaryColumn } from 'typeorm'

const [url, secret] = process.argv.slice(2)

class Person {}
Entity()(Person)
PrimaryColumn('int')(Person.prototype, 'id')
Encrypted({ type: 'string' })(Person.prototype, 'email')

const keyring = createKeyring({ providers: [inAppKeyProvider({ name: 'main', secret })] })
const dataSource = new DataSource({ type: 'postgres', url, entities: [Person] })
await withEncryption(dataSource, { keyring }).initialize()
const boss = new PgBoss({ connectionString: url, max: 2, maintenanceIntervalSeconds: 1 })
boss.on('error', (error) => console.error(error))
await boss.start()

const queue = createRotationQueue(dataSource, { boss })
const workers = await queue.work({
  pollingSeconds: 1,
  // Slow enough to be killed in the middle.
  pauseWhile: () => new Promise((resolve) => setTimeout(resolve, 25, false)),
})
console.log('ready')
for await (const _ of process.stdin);
await workers.stop()
await boss.stop({ timeout: 1000 })
await dataSource.destroy()
await keyring.close()
