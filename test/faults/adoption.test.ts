import { setTimeout } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../src/providers/in-app'
import { userProject } from '../built-package'
import { createDatabase, type TestDatabase } from '../database'
import { type Peer, startPeer } from './peer'

const SLOW = process.env.SLOW === '1'
const WORK_MS = SLOW ? 45_000 : 600
/** SIGKILLs of each step. */
const KILLS = SLOW ? 34 : 1
const ROWS = 600

/** What a process has been told was written. */
interface Row {
  readonly id: number
  readonly email: string | null
  readonly income: number
}
interface Report {
  readonly skipped: number
  readonly failed: unknown[]
  readonly states: Record<string, string>
}
interface Work {
  readonly turns: number
  readonly failures: string[]
  readonly rows: Row[]
}

let database: TestDatabase
let script: string
const secret = generateRootKey()
const running = new Map<string, Peer>()
/** Every acknowledged value, by id. */
const acknowledged = new Map<number, Row>()
let firstId = 1_000_000

async function start(version: string): Promise<Peer> {
  const peer = await startPeer(script, [database.url, secret, version])
  running.set(version, peer)
  return peer
}

async function stop(version: string): Promise<void> {
  await running.get(version)?.end()
  running.delete(version)
}

/** Two versions write and read side by side, while something else is done. */
async function during(versions: readonly string[], work: () => Promise<unknown>): Promise<void> {
  const working = versions.map((version) => {
    const from = firstId
    firstId += 1000
    return (running.get(version) as Peer).ask<Work>('work', { from, to: from + 40, ms: WORK_MS })
  })
  await work()
  for (const { turns, failures, rows } of await Promise.all(working)) {
    expect(failures).toEqual([])
    expect(turns).toBeGreaterThan(0)
    for (const { id, email, income } of rows) acknowledged.set(id, { id, email, income })
  }
}

/** Runs a step, killed at random moments and started again, until one run comes to its end. */
async function adoptWithKills(version: string, to: string): Promise<void> {
  const options = { to, batchSize: 25, shardRows: 200, leaseSeconds: 1, workers: 2 }
  for (let kill = 0; kill < KILLS; kill++) {
    const peer = await startPeer(script, [database.url, secret, version])
    const run = peer.ask('adopt', options).catch(() => {})
    await setTimeout(Math.random() * 150)
    await peer.kill()
    await run
  }
  const last = await startPeer(script, [database.url, secret, version])
  let report: Report
  do report = await last.ask<Report>('adopt', options).catch((error) => whatIs(error, to))
  while (report.skipped > 0)
  await last.end()
  expect(report).toMatchObject({ failed: [], states: { 'Person.email': to, 'Person.income': to } })
}

/** A run that was killed after its last step had recorded the state. */
function whatIs(error: Error, to: string): Report {
  if (!error.message.startsWith('ERR_ADOPTION')) throw error
  return { skipped: 0, failed: [], states: { 'Person.email': to, 'Person.income': to } }
}

async function onDatabase(sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query(sql)
  await client.end()
  return rows
}

describe('an adoption with the versions before and after side by side in processes', () => {
  beforeAll(async () => {
    database = await createDatabase()
    script = userProject('adoption').copy('test/faults/adoption-child.mjs')
    await (await start('before')).ask('synchronize')
    await onDatabase(
      `INSERT INTO person (id, visits, email, income)
        SELECT i, 0, 'p' || i || '@x', i FROM generate_series(1, ${ROWS}) i`,
    )
    for (let id = 1; id <= ROWS; id++) acknowledged.set(id, { id, email: `p${id}@x`, income: id })
  })

  afterAll(async () => {
    await Promise.all([...running.values()].map((peer) => peer.end()))
    await database?.drop()
  })

  it('answers right throughout, and loses nothing to kills', { timeout: 1_200_000 }, async () => {
    await (await start('dual')).ask('migrate')
    await during(['before', 'dual'], () => adoptWithKills('dual', 'backfilled'))
    await stop('before')

    await start('backfilled')
    await during(['dual', 'backfilled'], () => adoptWithKills('backfilled', 'verified'))
    await stop('dual')

    await (await start('verified')).ask('migrate')
    await during(['backfilled', 'verified'], () => setTimeout(0))
    await stop('backfilled')

    await during(['verified'], () => adoptWithKills('verified', 'sealed'))
    await start('sealed')
    await during(['verified', 'sealed'], () => setTimeout(0))
    await stop('verified')

    await during(['sealed'], () => adoptWithKills('sealed', 'sealed'))
    const after = await start('after')
    await during(['sealed', 'after'], () => (running.get('after') as Peer).ask('migrate'))

    const ids = [...acknowledged.keys()]
    const found = await after.ask<Row[]>('find', { ids })
    expect(found.map(({ id, email, income }) => ({ id, email, income }))).toEqual([
      ...acknowledged.values(),
    ])
    const columns = await onDatabase(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'person'
        AND column_name IN ('email', 'income')`,
    )
    expect(columns).toEqual([])
  })
})
