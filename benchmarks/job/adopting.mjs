// `adopt` to `backfilled`, which seals plain columns that have values, and plain statements that write
// as many bytes to the same new columns. All of them begin with these columns empty.
import { randomBytes } from 'node:crypto'
import { DataSource } from 'typeorm'
import { createFieldCipher, createKeyring } from '../../dist/index.mjs'
import { adopt } from '../../dist/rotation/index.mjs'
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

export async function createAdopting({ url, provider, columns, rows }) {
  const table = `adopted_${columns}`
  const names = columnNames(columns)
  const keyring = createKeyring({ providers: [provider] })
  const schema = adoptedSchema(table, names)
  const options = { type: 'postgres', url, entities: [schema], synchronize: true }
  const dataSource = await withEncryption(new DataSource(options), { keyring }).initialize()
  await dataSource.query(
    `INSERT INTO ${table} (id, label, ${names.join(', ')}) SELECT id, 'record ' || id,
      ${names.map((name) => `'${textOf('@', name).replace(/0*@/, "' || lpad(id::text, 9, '0') || '")}'`).join(', ')}
      FROM generate_series(1, ${rows}) AS id`,
  )
  const ciphers = new Map(
    names.map((name) => [name, createFieldCipher(keyring, { field: `${table}.${name}` })]),
  )
  const envelope = await ciphers.get('c1').seal(textOf(1, 'c1'))
  // Another text in each row and column; PostgreSQL compresses none of this length.
  const assignments = names
    .map((name) => `${name}_sealed = overlay($1::bytea placing int4send(r.id) from 3)`)
    .join(', ')
  const bytes = [randomBytes(envelope.length)]
  return {
    dataSource,
    contenders: new Map([
      [AT_ONCE, () => updateAtOnce(dataSource, table, assignments, bytes)],
      [IN_PAGES, () => updateInPages(dataSource, table, assignments, PAGE, bytes)],
      ...jobsWith('adopt', (how) => adopt(dataSource, { to: 'backfilled', ...how })),
    ]),
    async before() {
      await dataSource.query(`UPDATE ${table} SET ${names.map((name) => `${name}_sealed = NULL`)}`)
      await dataSource.query(`VACUUM FULL ANALYZE ${table}`)
    },
    async afterJob() {
      await checkSome(rows, columns, async (id) => {
        const [row] = await dataSource.query(`SELECT * FROM ${table} WHERE id = $1`, [id])
        const texts = {}
        for (const name of names) texts[name] = await ciphers.get(name).open(row[`${name}_sealed`])
        return { texts }
      })
    },
    async verify() {
      const [{ count }] = await dataSource.query(`SELECT count(*)::int AS count FROM ${table}`)
      if (count !== rows) throw new Error(`${count} rows of ${rows} are left`)
    },
    async close() {
      await dataSource.destroy()
      await keyring.close()
    },
  }
}

function adoptedSchema(name, names) {
  const encrypted = names.map((one) =>
    encryptedColumn(one, {
      type: 'string',
      name: `${one}_sealed`,
      adopt: { from: one, state: 'dual', column: { type: 'text' } },
    }),
  )
  return schemaOf(name, encrypted)
}
