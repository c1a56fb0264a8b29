// One instance of an application whose columns are being adopted, or a run of `adopt`: does what its
// parent writes to its standard input, one JSON command a line, and answers each with one line of JSON.
//
// Usage: node adoption-child.mjs DATABASE_URL ROOT_KEY before|dual|backfilled|verified|sealed|after
import 'reflect-metadata'
import { createInterface } from 'node:readline'
import { createKeyring, inAppKeyProvider } from 'mortise'
import { adopt } from 'mortise/rotation'
import { Encrypted, withEncryption } from 'mortise/typeorm'
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm'

const [url, secret, version] = process.argv.slice(2)

class Person {}
Entity()(Person)
PrimaryColumn('int')(Person.prototype, 'id')
Column('int')(Person.prototype, 'visits')
const columns = {
  email: { type: 'text', nullable: true },
  income: { type: 'double precision', nullable: true },
}
const fields = {
  email: { type: 'string', exact: { unique: true } },
  income: { type: 'number', range: { step: 1000 } },
}
for (const [name, column] of Object.entries(columns)) {
  if (version === 'before') {
    Column(column)(Person.prototype, name)
    continue
  }
  const adoption = version === 'after' ? {} : { adopt: { from: name, state: version, column } }
  const place = { name: `${name}_sealed`, nullable: true }
  Encrypted({ ...fields[name], ...place, ...adoption })(Person.prototype, name)
}

const dataSource = new DataSource({ type: 'postgres', url, entities: [Person], poolSize: 4 })
if (version !== 'before') {
  const keyring = createKeyring({ providers: [inAppKeyProvider({ name: 'main', secret })] })
  withEncryption(dataSource, { keyring })
}
await dataSource.initialize()
const people = dataSource.getRepository(Person)

/** What was acknowledged, by id. */
const acknowledged = new Map()
const between = (from, to) => from + Math.floor(Math.random() * (to - from))

async function writeOne(id) {
  const turn = (acknowledged.get(id)?.turn ?? 0) + 1
  const value = { email: Math.random() < 0.1 ? null : `p${id}.${turn}@x`, income: id + turn }
  if (acknowledged.has(id)) await people.update({ id }, value)
  else await people.save({ id, visits: 0, ...value })
  acknowledged.set(id, { ...value, turn })
}

async function checkOne(id) {
  const { email, income } = acknowledged.get(id)
  const found = await people.findOneBy({ id, ...(email === null ? {} : { email }), income })
  if (found?.email !== email || found.income !== income) throw new Error(`wrong answer for ${id}`)
  if (email !== null && (await people.countBy({ email })) !== 1)
    throw new Error(`${id} not counted`)
}

const commands = {
  /** Writes and reads rows of its own, as an application would, until it is told to stop. */
  async work({ from, to, ms }) {
    const failures = []
    let turns = 0
    for (const until = Date.now() + ms; Date.now() < until; turns++) {
      try {
        const id = between(from, to)
        await writeOne(id)
        await checkOne(id)
      } catch (error) {
        failures.push(`${error.code ?? error.name}: ${error.message}`)
      }
    }
    return { turns, failures, rows: [...acknowledged].map(([id, row]) => ({ id, ...row })) }
  },
  async migrate() {
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
    for (const { query, parameters } of upQueries) await dataSource.query(query, parameters)
  },
  synchronize: () => dataSource.synchronize(),
  async adopt(options) {
    const { done, skipped, failed, states } = await adopt(dataSource, options)
    return { done, skipped, failed, states }
  },
  async find({ ids }) {
    const rows = []
    for (const id of ids) rows.push(await people.findOneBy({ id }))
    return rows
  },
}

console.log(JSON.stringify('ready'))
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line)
  try {
    console.log(JSON.stringify((await commands[command](options)) ?? null))
  } catch (error) {
    console.log(JSON.stringify({ thrown: `${error.code}: ${error.message}` }))
  }
}
await dataSource.destroy()
