// One of two processes over one database: does what its parent writes to its standard input, one
// JSON command a line, and answers each with one line of JSON.
//
// Usage: node processes-child.mjs DATABASE_URL
import 'reflect-metadata'
import { createInterface } from 'node:readline'
import { createKeyring, inAppKeyProvider } from 'mortise'
import { census, disableKey, enableKey, rewrap, rotateKek } from 'mortise/rotation'
import { Encrypted, withEncryption } from 'mortise/typeorm'
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm'

const [url, secret, pollMs] = process.argv.slice(2)

class Person {}
Entity()(Person)
PrimaryColumn('int')(Person.prototype, 'id')
Encrypted({ type: 'string', exact: true })(Person.prototype, 'email')
Column('int')(Person.prototype, 'visits')

const events = []
const keyring = createKeyring({
  providers: [inAppKeyProvider({ name: 'main', secret })],
  cache: { epochPollMs: Number(pollMs) },
  onEvent: (event) => events.push(event),
})
const dataSource = new DataSource({ type: 'postgres', url, entities: [Person], synchronize: true })
await withEncryption(dataSource, { keyring }).initialize()
const people = dataSource.getRepository(Person)
const emailOf = (id) => `person${id}@example.com`

const commands = {
  /** Writes and reads, as an application would, for `ms` and `least` times; checks every answer. */
  async work({ from, ms, least }) {
    const until = Date.now() + ms
    const seen = { written: 0, read: 0, failures: [] }
    for (let id = from; Date.now() < until || seen.read + seen.failures.length < least; id++) {
      try {
        await people.save({ id, email: emailOf(id), visits: 1 })
        seen.written++
        const older = from + Math.floor(Math.random() * (id - from + 1))
        const found = await people.findOneBy({ email: emailOf(older) })
        if (found?.id !== older || found.email !== emailOf(older)) throw new Error('wrong answer')
        await people.save({ ...found, visits: found.visits + 1 })
        seen.read++
      } catch (error) {
        seen.failures.push(`${error.code ?? error.name}: ${error.message}`)
      }
    }
    return seen
  },
  read: async ({ id }) => (await people.findOneBy({ id }))?.email,
  write: async ({ id }) => (await people.save({ id, email: emailOf(id), visits: 0 })).id,
  rotate: () => rotateKek(keyring, { purpose: 'data' }),
  rewrap: async () => {
    const { keyId, done: rewrapped, skipped, failedCount } = await rewrap(dataSource)
    return { keyId, done: rewrapped, skipped, failedCount }
  },
  census: async () =>
    (await census(dataSource))
      .filter(({ format }) => format !== null)
      .map(({ keyId, count }) => ({ keyId, count })),
  disable: ({ keyId }) => disableKey(keyring, { keyId }),
  enable: ({ keyId }) => enableKey(keyring, { keyId }),
  events: async () => events.map(({ type }) => type),
}

console.log(JSON.stringify('ready'))
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line)
  const answer = await Promise.resolve(commands[command](options)).catch((error) => ({
    error: error.code ?? error.name,
  }))
  console.log(JSON.stringify(answer ?? null))
}
await dataSource.destroy()
await keyring.close()
process.exit(0)
