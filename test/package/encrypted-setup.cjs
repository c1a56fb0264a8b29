// Runs in a project of a test, before the tests of somebody else: whatever DataSource they make gets
// an encrypted entity beside theirs and, with ENCRYPT=1, withEncryption. STATEMENTS names the file that
// takes every statement sent after initialize(), with its parameters.
require('reflect-metadata')
const { appendFileSync } = require('node:fs')
const { createKeyring, generateRootKey, inAppKeyProvider } = require('mortise')
const { Encrypted, withEncryption } = require('mortise/typeorm')
const { DataSource, Entity, PrimaryColumn } = require('typeorm')

class Secret {}
PrimaryColumn('int')(Secret.prototype, 'id')
Encrypted({ type: 'string', exact: true })(Secret.prototype, 'word')
Entity()(Secret)

const { ENCRYPT, STATEMENTS } = process.env
const prepared = new WeakSet()
const { initialize } = DataSource.prototype

DataSource.prototype.initialize = async function () {
  if (prepared.has(this)) return initialize.call(this)
  prepared.add(this)
  const recorder = createRecorder()
  this.setOptions({ entities: [...this.options.entities, Secret], logging: true, logger: recorder })
  if (ENCRYPT === '1') withEncryption(this, { keyring: createKeyring({ providers: [provider()] }) })
  await this.initialize()
  if (ENCRYPT === '1') await proveEncryption(this)
  recorder.started = true
  return this
}

function provider() {
  return inAppKeyProvider({ name: 'main', secret: generateRootKey() })
}

/** A Secret is sealed: without this, a setup that installed nothing would pass as well. */
async function proveEncryption(dataSource) {
  const secrets = dataSource.getRepository(Secret)
  await secrets.save({ id: 1, word: 'swordfish' })
  const [{ envelope }] = await dataSource.query('SELECT get_byte(word, 0) AS envelope FROM secret')
  if (envelope !== 0xe1) throw new Error('the word was not sealed')
  if ((await secrets.findOneBy({ word: 'swordfish' }))?.id !== 1) throw new Error('not found')
  await secrets.delete(1)
}

function createRecorder() {
  const recorder = {
    started: false,
    logQuery: (query, parameters) => record([query, parameters]),
    logQueryError: (error, query, parameters) => record([String(error), query, parameters]),
    logQuerySlow() {},
    logSchemaBuild() {},
    logMigration() {},
    log() {},
  }
  const record = (entry) => {
    if (recorder.started) appendFileSync(STATEMENTS, `${JSON.stringify(entry)}\n`)
  }
  return recorder
}
