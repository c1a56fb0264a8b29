// An application that changes an index and adopts a column. NEXT and STATE say how far its
// declaration is; STATE empty: as it was before.
require('reflect-metadata')
const { createKeyring, inAppKeyProvider } = require('mortise')
const { encryptedColumn, withEncryption } = require('mortise/typeorm')
const { DataSource, EntitySchema } = require('typeorm')

const { DATABASE_URL: url, TEST_ROOT_KEY: secret, NEXT, STATE: state, SYNCHRONIZE } = process.env
const next = NEXT === '1' ? { next: { exact: { normalize: 'email' } } } : {}
const column = { type: 'text', nullable: true }
const adopt = { from: 'note', state, column }

const letter = new EntitySchema({
  name: 'letter',
  columns: {
    id: { type: 'int', primary: true },
    ...encryptedColumn('email', { type: 'string', exact: true, ...next }),
    ...(state
      ? encryptedColumn('note', { type: 'string', nullable: true, name: 'note_sealed', adopt })
      : { note: column }),
  },
})
const providers = [inAppKeyProvider({ name: 'main', secret })]
const keyring = createKeyring({ providers, cache: { epochPollMs: 20 } })
const options = { type: 'postgres', url, entities: [letter], synchronize: SYNCHRONIZE === '1' }
exports.dataSource = withEncryption(new DataSource(options), { keyring })

/** `node changing.cjs N`: makes the schema as declared, and writes N rows. */
async function prepare(count) {
  await exports.dataSource.initialize()
  const rows = Array.from({ length: count }, (_, id) => ({ id, email: `P${id}@x.org`, note: 'n' }))
  await exports.dataSource.getRepository('letter').insert(rows)
  await exports.dataSource.destroy()
}

if (require.main === module) void prepare(Number(process.argv[2]))
