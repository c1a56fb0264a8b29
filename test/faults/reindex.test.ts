import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../src/providers/in-app'
import { type UserProject, userProject } from '../built-package'
import { createDatabase, type TestDatabase } from '../database'
import { type Peer, startPeer } from './peer'

const POLL_MS = 50
const secret = generateRootKey()
const peers: Peer[] = []
let project: UserProject
let database: TestDatabase

/** What a process did and saw. */
interface Seen {
  readonly written: number
  readonly asked: number
  readonly refusedWrites: number
  readonly refusedReads: number
  readonly failures: readonly string[]
}

async function start(version: 'before' | 'between' | 'after'): Promise<Peer> {
  const script = project.copy('test/faults/reindex-child.mjs')
  const peer = await startPeer(script, [version, database.url, secret, String(POLL_MS)])
  peers.push(peer)
  return peer
}

describe('processes of two versions of an application, during a whole reindex', () => {
  beforeAll(async () => {
    database = await createDatabase()
    project = userProject('reindex')
  })

  afterAll(async () => {
    await Promise.all(peers.map((peer) => peer.end()))
    await database?.drop()
  })

  it('see right answers all the time; the one from before may write until it begins, and read until contract', async () => {
    const before = await start('before')
    await before.ask('work', { worker: 1 })
    const [between, operator] = [await start('between'), await start('between')]
    await between.ask('work', { worker: 2 })
    for (const peer of [before, between]) await peer.ask('until', { written: 10, asked: 10 })
    const { keyId } = await operator.ask<{ keyId: string }>('rotate')
    const asked = await operator.ask<{ fields: object[] }>('reindex')
    expect(asked).toMatchObject({ complete: true, failed: [] })
    expect(asked.fields).toMatchObject([
      { field: 'Person.email', state: 'asked', generation: 2, keyId },
      { field: 'Person.income', state: 'asked', generation: 2 },
    ])
    await before.ask('until', { refusedWrites: 10 })
    const old = await before.ask<Seen>('stop')
    expect(old.failures).toEqual([])
    expect(old).toMatchObject({ refusedReads: 0 })
    expect(await operator.ask('reindex', { contract: true })).toMatchObject({
      fields: [{ state: 'done' }, { state: 'done' }],
      complete: true,
    })
    await before.ask('work', { worker: 3 })
    const after = await start('after')
    await after.ask('work', { worker: 4 })
    await before.ask('until', { refusedWrites: 10 })
    await after.ask('until', { written: 10, asked: 10 })
    const late = await before.ask<Seen>('stop')
    expect(late).toMatchObject({ written: 0, failures: [] })
    const [during, ended] = [await between.ask<Seen>('stop'), await after.ask<Seen>('stop')]
    for (const seen of [during, ended]) {
      expect(seen).toMatchObject({ refusedWrites: 0, refusedReads: 0, failures: [] })
    }
  })
})
