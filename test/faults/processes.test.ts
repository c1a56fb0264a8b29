import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateRootKey } from '../../src/providers/in-app'
import { userProject } from '../built-package'
import { createDatabase } from '../database'
import { type Peer, startPeer } from './peer'

const POLL_MS = 100
/** The documented bound, and time for a machine that is busy with something else. */
const SEEN_MS = POLL_MS + 900

const peers: Peer[] = []
let application: Peer
let operator: Peer

async function start(script: string, parameters: string[]): Promise<Peer> {
  const peer = await startPeer(script, parameters)
  peers.push(peer)
  return peer
}

describe('two processes over one database', () => {
  beforeAll(async () => {
    const { url } = await createDatabase()
    const script = userProject('processes').copy('test/faults/processes-child.mjs')
    const parameters = [url, generateRootKey(), String(POLL_MS)]
    application = await start(script, parameters)
    operator = await start(script, parameters)
  })

  afterAll(() => Promise.all(peers.map((peer) => peer.end())))

  it('one rotates and rewraps while the other goes on reading and writing', async () => {
    const working = application.ask<{ written: number; failures: string[] }>('work', {
      from: 1000,
      ms: 4000,
      least: 50,
    })
    const keys: string[] = []
    for (let i = 0; i < 5; i++) {
      keys.push((await operator.ask<{ keyId: string }>('rotate')).keyId)
      await operator.ask('rewrap')
      await setTimeout(300)
    }
    const { written, failures } = await working
    expect(failures).toEqual([])
    await setTimeout(SEEN_MS)
    expect(await operator.ask('rewrap')).toMatchObject({ keyId: keys.at(-1), failedCount: 0 })
    expect(await operator.ask('census')).toEqual([{ keyId: keys.at(-1), count: written }])
    expect(await application.ask('events')).toContain('epoch-changed')
  })

  it('retires keys that nothing names, and nobody notices', async () => {
    const { keyId, previousKeyId } = await operator.ask<{ keyId: string; previousKeyId: string }>(
      'rotate',
    )
    const working = application.ask<{ failures: string[] }>('work', {
      from: 100_000,
      ms: 4500,
      least: 1,
    })
    await setTimeout(SEEN_MS)
    await operator.ask('rewrap')
    expect(await operator.ask('census')).toEqual([{ keyId, count: expect.any(Number) }])
    await operator.ask('disable', { keyId: previousKeyId })
    expect((await working).failures).toEqual([])
  })

  it('a key that is disabled in one is refused by the other within the bound, until it is enabled', async () => {
    await application.ask('write', { id: 1 })
    const { previousKeyId: keyId } = await operator.ask<{ previousKeyId: string }>('rotate')
    expect(await application.ask('read', { id: 1 })).toBe('person1@example.com')
    await operator.ask('disable', { keyId })
    await setTimeout(SEEN_MS)
    expect(await application.ask('read', { id: 1 })).toEqual({ error: 'ERR_KEY_STATE' })
    expect(await application.ask('write', { id: 2 })).toBe(2)
    expect(await application.ask('read', { id: 2 })).toBe('person2@example.com')
    await operator.ask('enable', { keyId })
    await setTimeout(SEEN_MS)
    expect(await application.ask('read', { id: 1 })).toBe('person1@example.com')
  })
})
