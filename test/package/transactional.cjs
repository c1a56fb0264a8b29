// Runs in a project of a test: typeorm-transactional replaces members of a DataSource as mortise does,
// and both must work whichever came first.
require('reflect-metadata')
const assert = require('node:assert/strict')
const { createKeyring, generateRootKey, inAppKeyProvider } = require('mortise')
const { Encrypted, withEncryption } = require('mortise/typeorm')
const { DataSource, Entity, PrimaryColumn } = require('typeorm')
const {
  addTransactionalDataSource,
  initializeTransactionalContext,
  runInTransaction,
} = require('typeorm-transactional')

class Person {}
PrimaryColumn('int')(Person.prototype, 'id')
Encrypted({ type: 'string', exact: true })(Person.prototype, 'email')
Entity()(Person)

const encrypt = (dataSource) =>
  withEncryption(dataSource, {
    keyring: createKeyring({
      providers: [inAppKeyProvider({ name: 'main', secret: generateRootKey() })],
    }),
  })
const orders = {
  'mortise first': (dataSource, name) =>
    addTransactionalDataSource({ name, dataSource: encrypt(dataSource) }),
  'mortise last': (dataSource, name) => encrypt(addTransactionalDataSource({ name, dataSource })),
}

async function run(name) {
  const url = process.env.DATABASE_URL
  const options = { type: 'postgres', url, entities: [Person], synchronize: true, dropSchema: true }
  const dataSource = orders[name](new DataSource(options), name)
  await dataSource.initialize()
  const people = dataSource.getRepository(Person)
  const count = (email) =>
    dataSource.createQueryBuilder(Person, 'p').where('p.email = :email', { email }).getCount()
  const inTransaction = (work) => runInTransaction(work, { connectionName: name })

  await inTransaction(async () => {
    await people.save({ id: 1, email: 'ada@example.com' })
    assert.equal(await count('ada@example.com'), 1)
  })
  const failed = inTransaction(async () => {
    await people.save({ id: 2, email: 'eve@example.com' })
    assert.equal((await people.findOneByOrFail({ email: 'eve@example.com' })).id, 2)
    throw new Error('roll back')
  })
  await assert.rejects(failed, /roll back/)
  assert.equal(await count('ada@example.com'), 1)
  assert.equal(await count('eve@example.com'), 0)
  const [{ first }] = await dataSource.query('SELECT get_byte(email, 0) AS first FROM person')
  assert.equal(first, 0xe1)
  await dataSource.destroy()
  console.log(`${name}: ok`)
}

initializeTransactionalContext()
Object.keys(orders).reduce((before, name) => before.then(() => run(name)), Promise.resolve())
