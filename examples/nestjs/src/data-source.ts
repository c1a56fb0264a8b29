import { keyringFromEnv } from 'mortise'
import { withEncryption } from 'mortise/typeorm'
import { DataSource } from 'typeorm'
import { databaseOptions } from './database.js'

// What `npm run typeorm -- migration:generate …` reads: the same entities, encrypted in the same way.
export default withEncryption(new DataSource({ ...databaseOptions(), migrationsRun: false }), {
  keyring: keyringFromEnv(),
})
