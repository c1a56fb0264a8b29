// One process of an application whose index is changed by reindex: the version from before, the one
// that declares what it changes to, or the one from after. Does what its parent writes to its standard
// input, one JSON command a line, and answers each with one line of JSON.
//
// Usage: node reindex-child.mjs VERSION DATABASE_URL ROOT_KEY POLL_MS
import 'reflect-metadata'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { createKeyring, inAppKeyProvider } from 'mortise'
import { reindex, rotateKek } from 'mortise/rotation'
import { Encrypted, withEncryption } from 'mortise/typeorm'
import { Between, Column, DataSource, Entity, PrimaryColumn } from 'typeorm'

const [version, url, secret, pollMs] = process.argv.slice(2)

const EMAIL = { before: {}, between: { next: {} }, after: {} }
const INCOME = {
  before: { range: { step: 100 } },
  between: { range: { step: 100 }, next: { range: { step: 30 } } },
  after: { range: { step: 30 } },
}
class Person {}
Entity()(Person)
PrimaryColumn('int')(Person.prototype, 'id')
Encrypted({ type: 'string', exact: { unique: true }, ...EMAIL[version] })(Person.prototype, 'email')
Encrypted({ type: 'number', ...INCOME[version] })(Person.prototype, 'income')
Column('int')(Person.prototype, 'worker')

const keyring = createKeyring({
  providers: [inAppKeyProvider({ name: 'main', secret })],
  cache: { epochPollMs: Number(pollMs) },
})
const synchronize = version !== 'after'
const dataSource = new DataSource({ type: 'postgres', url, entities: [Person], synchronize })
await withEncryption(dataSource, { keyring }).initialize()
const people = dataSource.getRepository(Person)
let stopped = false
let working
let seen

/** Writes and asks as an application would, until it is stopped; every answer is checked. */
async function work(worker) {
  seen = { written: 0, asked: 0, refusedWrites: 0, refusedReads: 0, failures: [] }
  const own = new Map()
  const attempt = async (refused, one) => {
    try {
      await one()
    } catch (error) {
      if (error.code === 'ERR_INDEX_CHANGED' && !error.retryable) seen[refused]++
      else seen.failures.push(error.stack)
    }
  }
  for (let id = worker * 1_000_000; !stopped; id++) {
    await attempt('refusedWrites', async () => {
      const row = { id, email: `p${id}@example.com`, income: (id * 37) % 1000, worker }
      await people.save(row)
      own.set(id, row)
      seen.written++
    })
    const [old] = [...own.values()].slice(id % Math.max(own.size, 1))
    if (!old) continue
    await attempt('refusedWrites', async () => {
      const change = { email: `c${id}@example.com`, income: (old.income + 31) % 1000 }
      await people.update(old.id, change)
      own.set(old.id, { ...old, ...change })
      seen.written++
    })
    await attempt('refusedReads', () => ask(worker, own, own.get(old.id)))
    seen.asked++
    await attempt('refusedWrites', () => tryTaken(worker, own.get(old.id).email))
  }
}

async function ask(worker, own, { id, email }) {
  const found = await people.findBy({ email })
  if (found.length !== 1 || found[0].id !== id) throw new Error(`email of ${id}: ${found.length}`)
  const where = { worker, income: Between(140, 415) }
  const expected = [...own.values()].filter(({ income }) => income >= 140 && income <= 415)
  const counted = await people.countBy(where)
  if (counted !== expected.length) throw new Error(`range: ${counted} of ${expected.length}`)
  const page = await people.find({
    where: { worker },
    order: { income: 'ASC', id: 'ASC' },
    take: 5,
  })
  const sorted = [...own.values()].sort((a, b) => a.income - b.income || a.id - b.id)
  if (page.some((row, i) => row.id !== sorted[i].id)) throw new Error('order')
}

async function tryTaken(worker, email) {
  try {
    await people.insert({ id: -worker, email, income: 1, worker })
  } catch (error) {
    if (/encrypted Person.email already exists/.test(error.detail)) return
    throw error
  }
  throw new Error(`two rows have ${email}`)
}

const commands = {
  work({ worker }) {
    stopped = false
    working = work(worker)
    return 'working'
  },
  /** Goes on until each of `counts` is more than so many, or something has failed. */
  async until(counts) {
    const isMet = () => Object.entries(counts).every(([name, least]) => seen[name] > least)
    while (!isMet() && seen.failures.length === 0) await setTimeout(5)
    return seen
  },
  async stop() {
    stopped = true
    await working
    return seen
  },
  rotate: () => rotateKek(keyring, { purpose: 'index' }),
  async reindex(options) {
    const { fields, jobs, complete } = await reindex(dataSource, { batchSize: 50, ...options })
    return { fields, complete, failed: jobs.flatMap(({ failed }) => failed) }
  },
}

process.stdout.write(`${JSON.stringify('ready')}\n`)
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line)
  let answer
  try {
    answer = (await commands[command](options)) ?? null
  } catch (error) {
    answer = { error: error.code ?? error.message, message: error.message }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
await dataSource.destroy()
await keyring.close()
