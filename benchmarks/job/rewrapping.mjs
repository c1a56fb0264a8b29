// `rewrap`, and plain statements that write the same 48 bytes of the same columns: key id and wrapped
// DEK. The bytes of the statements are those that are there, so that the values stay what they are;
// PostgreSQL writes them all the same.
import { DataSource } from 'typeorm'
import { createKeyring } from '../../dist/index.mjs'
import { census, rewrap, rotateKek } from '../../dist/rotation/index.mjs'
import { encryptedColumn, withEncryption } from '../../dist/typeorm/index.mjs'
import { updateAtOnce, updateInPages } from './plain-update.mjs'
import {
  AT_ONCE,
  checkSome,
  columnNames,
  IN_PAGES,
  jobsWith,
  PAGE,
  schemaOf,
  textOf,
} from './records.mjs'

const SEALED = 20_000

export async function createRewrapping({ url, provider, columns, rows }) {
  const table = `record_${columns}`
  const keyring = createKeyring({ providers: [provider] })
  const schema = recordSchema(table, columns)
  const options = { type: 'postgres', url, entities: [schema], synchronize: true }
  const dataSource = await withEncryption(new DataSource(options), { keyring }).initialize()
  const records = dataSource.getRepository(table)
  await fill(records, table, rows, columns)
  const assignments = columnNames(columns)
    .map((name) => `${name} = overlay(r.${name} placing substring(r.${name} from 3 for 48) from 3)`)
    .join(', ')
  let keyId
  return {
    dataSource,
    contenders: new Map([
      [AT_ONCE, () => updateAtOnce(dataSource, table, assignments)],
      [IN_PAGES, () => updateInPages(dataSource, table, assignments, PAGE)],
      ...jobsWith('rewrap', (how) => rewrap(dataSource, how)),
    ]),
    async before() {
      await dataSource.query(`VACUUM ANALYZE ${table}`)
      ;({ keyId } = await rotateKek(keyring, { purpose: 'data' }))
    },
    async afterJob() {
      const counts = (await census(dataSource)).filter((row) => row.keyId === keyId)
      const moved = counts.reduce((sum, { count }) => sum + count, 0)
      if (moved !== rows * columns)
        throw new Error(`${moved} of ${rows * columns} values were moved`)
    },
    verify: () =>
      checkSome(rows, columns, async (id) => ({
        texts: await records.findOneBy({ id }),
        sealedAs: ((id - 1) % SEALED) + 1,
      })),
    async close() {
      await dataSource.destroy()
      await keyring.close()
    },
  }
}

function recordSchema(name, columns) {
  const encrypted = columnNames(columns).map((one) => encryptedColumn(one, { type: 'string' }))
  return schemaOf(name, encrypted)
}

/**
 * The first rows are sealed, each under a DEK of its own, and then copied: within a page, and far
 * beyond it, no two rows are alike.
 */
async function fill(repository, table, rows, columns) {
  const names = columnNames(columns)
  const sealed = Math.min(rows, SEALED)
  for (let first = 1; first <= sealed; first += PAGE) {
    const chunk = Array.from({ length: Math.min(PAGE, sealed - first + 1) }, (_, i) => {
      const id = first + i
      const values = Object.fromEntries(names.map((name) => [name, textOf(id, name)]))
      return { id, label: `record ${id}`, ...values }
    })
    await repository.insert(chunk)
  }
  const all = ['label', ...names].join(', ')
  await repository.query(
    `INSERT INTO ${table} (id, ${all}) SELECT id + copy * ${sealed}, ${all}
      FROM ${table}, generate_series(1, ${Math.ceil(rows / sealed) - 1}) AS copy
      WHERE id + copy * ${sealed} <= ${rows} ORDER BY 1`,
  )
}
