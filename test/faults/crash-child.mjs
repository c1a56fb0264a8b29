// A process of the crash tests: runs a verb, or writes as an application does. Killed, stopped and
// started again by its parent; says what it does in lines of JSON.
//
// Usage: node crash-child.mjs JSON
import { setTimeout } from 'node:timers/promises'
import { createKeyring, inAppKeyProvider } from 'mortise'
import { rewrap } from 'mortise/rotation'
import { encryptedColumn, withEncryption } from 'mortise/typeorm'
import pg from 'pg'
import { DataSource, EntitySchema, In } from 'typeorm'

const { role, url, secret, name, pollMs = 5000, ...task } = JSON.parse(process.argv[2])
const verbs = { rewrap }
const say = (line) => console.log(JSON.stringify(line))

// The same table as in crash-world.ts.
const person = new EntitySchema({
  name: 'person',
  columns: {
    id: { type: 'int', primary: true },
    ...encryptedColumn('email', { type: 'string', exact: true }),
    ...encryptedColumn('income', { type: 'number', range: { step: 1000 } }),
    visits: { type: 'int' },
  },
})
const keyring = createKeyring({
  providers: [inAppKeyProvider({ name: 'main', secret })],
  cache: { epochPollMs: pollMs },
})
const dataSource = new DataSource({
  type: 'postgres',
  url,
  entities: [person],
  applicationName: name,
})
await withEncryption(dataSource, { keyring }).initialize()
const people = dataSource.getRepository(person)

const exitCode = await { job: runJob, writer: write }[role](task)
await dataSource.destroy()
await keyring.close()
process.exit(exitCode)

async function runJob({ verb, options, endAt }) {
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort(new Error('SIGTERM')))
  if (endAt) signalAt(endAt)
  say({ ready: true })
  const onProgress = ({ done, total }) => say({ done, total })
  try {
    say({
      report: await verbs[verb](dataSource, { ...options, onProgress, signal: stop.signal }),
    })
    return 0
  } catch (error) {
    say({ error: error.message })
    return stop.signal.aborted ? 143 : 1
  }
}

/** Sends this process a signal when the answer to its n-th statement that begins so has arrived. */
function signalAt({ begins = '', nth, signal }) {
  let count = 0
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function (...parameters) {
    const answer = query.apply(this, parameters)
    if (typeof parameters[0] !== 'string' || !parameters[0].startsWith(begins)) return answer
    const isLast = ++count === nth
    return isLast ? answer.finally(() => process.kill(process.pid, signal)) : answer
  }
}

/** Writes rows that no other process writes, until stdin ends; tells what every write left behind. */
async function write({ ids, newFrom }) {
  let isOver = false
  process.stdin.on('end', () => {
    isOver = true
  })
  process.stdin.resume()
  const there = new Set((await people.findBy({ id: In(ids) })).map(({ id }) => id))
  const acknowledged = Object.fromEntries(
    ids.filter((id) => !there.has(id)).map((id) => [id, null]),
  )
  let next = newFrom
  say({ ready: true })
  for (let version = 1; !isOver; version++) {
    await setTimeout(2)
    const id = ids[Math.floor(Math.random() * ids.length)]
    const email = `person${id}.${version}.${name}@example.com`
    const known = acknowledged[id]
    const roll = known === null ? 0 : Math.random()
    if (roll < 0.3) {
      const row = { id, email, income: version, visits: version }
      acknowledged[id] = await people.save(row)
    } else if (roll < 0.6) {
      const row = await people.findOneByOrFail({ id })
      acknowledged[id] = { ...(await people.save({ ...row, income: version })) }
    } else if (roll < 0.8) {
      await people.update(id, { email })
      acknowledged[id] = await people.findOneByOrFail({ id })
      if (acknowledged[id].email !== email) throw new Error(`the update of ${id} is lost`)
    } else if (roll < 0.95) {
      const row = { id: next, email: `person${next}@example.com`, income: version, visits: 0 }
      await people.insert({ ...row })
      acknowledged[next++] = row
    } else {
      await people.delete(id)
      acknowledged[id] = null
    }
  }
  say({ acknowledged })
  return 0
}
