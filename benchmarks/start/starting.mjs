// From a DataSource that is made to one that is initialised, with tables and keys that exist, as an
// instance of an application starts.
import { DataSource, EntitySchema } from 'typeorm'
import { createKeyring, generateRootKey, inAppKeyProvider } from '../../dist/index.mjs'
import { encryptedColumn, withEncryption } from '../../dist/typeorm/index.mjs'
import { countCalls } from '../lib/count-calls.mjs'

export const ENTITIES = 20
const COLUMNS = ['c1', 'c2', 'c3', 'c4', 'c5']

/** @returns by name: a function that starts once and gives `ms` and provider `calls` */
export async function startsOn(createDatabase) {
  const plain = { url: await createDatabase('plain'), entities: schemas(() => ({ type: 'text' })) }
  const sealed = {
    url: await createDatabase('sealed'),
    entities: schemas(
      (name) => ({ type: 'string', ...(name === 'c1' ? { exact: true } : {}) }),
      true,
    ),
  }
  const secret = generateRootKey()
  await startPlain(plain, { synchronize: true })
  await startSealed(sealed, secret, { synchronize: true })
  return new Map([
    ['plain TypeORM', () => startPlain(plain)],
    ['withEncryption', () => startSealed(sealed, secret)],
  ])
}

async function startPlain(where, options) {
  return timed(async () => new DataSource({ type: 'postgres', ...where, ...options }).initialize())
}

async function startSealed(where, secret, options) {
  const counted = countCalls(inAppKeyProvider({ name: 'bench', secret }))
  const started = await timed(async () => {
    const keyring = createKeyring({ providers: [counted.provider] })
    const dataSource = new DataSource({ type: 'postgres', ...where, ...options })
    return withEncryption(dataSource, { keyring }).initialize()
  })
  return { ...started, calls: counted.calls }
}

async function timed(start) {
  const begin = performance.now()
  const dataSource = await start()
  const ms = performance.now() - begin
  await dataSource.destroy()
  return { ms, calls: 0 }
}

function schemas(optionsOf, isSealed = false) {
  return Array.from({ length: ENTITIES }, (_, i) => {
    const columns = COLUMNS.map((name) =>
      isSealed ? encryptedColumn(name, optionsOf(name)) : { [name]: optionsOf(name) },
    )
    return new EntitySchema({
      name: `entity_${i}`,
      columns: { id: { type: 'int', primary: true }, ...Object.assign({}, ...columns) },
    })
  })
}
