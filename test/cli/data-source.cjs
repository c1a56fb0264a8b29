// The DataSource of an application, as a project would give it to the command line.
require('reflect-metadata')
const { createKeyring, fileKeyStore, inAppKeyProvider } = require('mortise')
const { encryptedColumn, withEncryption } = require('mortise/typeorm')
const { DataSource, EntitySchema } = require('typeorm')

console.log('a banner that some module prints')

const person = new EntitySchema({
  name: 'person',
  columns: {
    id: { type: 'int', primary: true },
    tenant: { type: 'text' },
    ...encryptedColumn('email', { type: 'string', exact: true, nullable: true }),
    ...encryptedColumn('iban', { type: 'string', subject: 'tenant', exact: true, nullable: true }),
  },
})

const secret = process.env.TEST_ROOT_KEY
const dataSource = new DataSource({
  type: 'postgres',
  url: process.env.DATABASE_URL,
  entities: [person],
  synchronize: process.env.SYNCHRONIZE === '1',
  logging: true,
})
const { EPOCH_POLL_MS: epochPollMs = '5000' } = process.env
const keyring = createKeyring({
  providers: [inAppKeyProvider({ name: 'main', secret })],
  store: process.env.KEY_FILE && fileKeyStore(process.env.KEY_FILE),
  cache: { epochPollMs: Number(epochPollMs) },
})
module.exports = { dataSource: withEncryption(dataSource, { keyring }) }
