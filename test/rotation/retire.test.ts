import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import type { KeyEvent } from '../../src/keys/events'
import type { Keyring } from '../../src/keys/keyring'
import { generateRootKey } from '../../src/providers/in-app'
import { history } from '../../src/rotation/history'
import { disableKey, enableKey } from '../../src/rotation/key-state'
import { mayRetire } from '../../src/rotation/may-retire'
import { type RetireOptions, retire } from '../../src/rotation/retire'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { replayTombstones } from '../../src/rotation/shred'
import { verifyHistory } from '../../src/rotation/verify-history'
import { registerSchema, schemaOf } from '../../src/schema'
import { someIndex } from '../key-store/records'
import { rejection } from '../keys/fixtures'
import { keyIdIn, makeKeyring, open, seal, type Target, tableOf, useTables } from './tables'

const DAY_MS = 86_400_000
const tables = useTables()
let store: KeyStore
let secret: string
let events: KeyEvent[]
let keyring: Keyring
let target: Target
/** A value under the first key, and that key's id. */
let value: Buffer
let keyId: string

async function insert(id: number, email: Buffer): Promise<void> {
  await tables.pool.query('INSERT INTO person VALUES ($1, $2)', [id, email])
}

const run = (options: Partial<RetireOptions> = {}) =>
  retire(target, { keyId, backupRetentionDays: 0, ...options })

const stateNow = async (id = keyId) => (await keyring.keys()).find((key) => key.id === id)?.state

const needed = async (options: Partial<RetireOptions> = {}) =>
  (await rejection(run(options), 'ERR_KEY_IN_USE')).message

beforeEach(async () => {
  await tables.pool.query('DROP TABLE IF EXISTS person; DELETE FROM mortise_job')
  await tables.pool.query('CREATE TABLE person (id integer PRIMARY KEY, email bytea)')
  events = []
  store = memoryKeyStore()
  secret = generateRootKey()
  keyring = makeKeyring({ store, secret, onEvent: (event) => events.push(event) })
  target = tables.target(keyring, tableOf('person', ['id']))
  await keyring.ready()
  value = (await seal(keyring, { email: 'ada' }))[0] as Buffer
  keyId = keyIdIn(value)
  await rotateKek(keyring, { purpose: 'data' })
})

afterEach(() => {
  vi.useRealTimers()
})

describe('retire', () => {
  it('destroys a key that nothing needs: its wraps are gone, for every process', async () => {
    const other = makeKeyring({ store, secret })
    expect(await open(other, 'email', value)).toBe('ada')
    const report = await run({ actor: 'ops', reason: 'yearly' })
    expect(report).toMatchObject({ keyId, purpose: 'data', version: 1, outcome: 'destroyed' })
    const [gone, active] = (await keyring.keys()).filter(({ purpose }) => purpose === 'data')
    expect(gone).toMatchObject({ id: keyId, state: 'destroyed', providers: [] })
    expect(active).toMatchObject({ state: 'active' })
    for (const ring of [keyring, other]) {
      await rejection(open(ring, 'email', value), 'ERR_KEY_STATE')
    }
    expect(await store.loadTombstones('default')).toMatchObject([
      { id: keyId, actor: 'ops', reason: 'yearly' },
    ])
    expect(events.map((event) => ('to' in event ? event.to : '')).filter(Boolean)).toEqual([
      'disabled',
      'destroyed',
    ])
    const last = (await history(keyring)).at(-1)
    expect(last).toMatchObject({
      ...{ verb: 'retire', outcome: 'done', keyIds: [keyId], actor: 'ops', reason: 'yearly' },
      parameters: { keyId, backupRetentionDays: 0, unusedSince: report.unusedSince },
    })
    await rejection(enableKey(keyring, { keyId }), 'ERR_KEY_STATE')
  })

  it('says of a destroyed key when it was destroyed, and does nothing', async () => {
    const { destroyedAt } = await run()
    const length = (await history(keyring)).length
    expect(await run()).toMatchObject({ outcome: 'destroyed', destroyedAt })
    expect(await history(keyring)).toHaveLength(length)
  })

  it('destroys a key without material: its provider is not asked for it any more', async () => {
    const ring = makeKeyring({ store: memoryKeyStore(), secret, wrapping: 'provider' })
    await ring.ready()
    const { previousKeyId } = await rotateKek(ring, { purpose: 'data' })
    target = tables.target(ring, tableOf('person', ['id']))
    expect(await run({ keyId: previousKeyId as string })).toMatchObject({ outcome: 'destroyed' })
    await ring.ready()
    expect((await ring.keys())[0]).toMatchObject({ state: 'destroyed', providers: [] })
    expect(await ring.health()).toMatchObject({ ok: true })
  })

  it('destroys an index key that no index names', async () => {
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'index' })
    const report = await run({ keyId: previousKeyId as string })
    expect(report).toMatchObject({ purpose: 'index', outcome: 'destroyed' })
  })
})

describe('retire refuses, and leaves the key as it is,', () => {
  afterEach(async () => {
    expect(await store.loadTombstones('default')).toEqual([])
    expect((await verifyHistory(keyring)).unfinished).toEqual([])
  })

  it('while values are under it, naming column and count', async () => {
    await insert(1, value)
    await insert(2, value)
    expect(await needed()).toMatch(/person\.email: 2 values of Person\.email .*rewrap/)
    expect(await stateNow()).toBe('decrypt-only')
    expect(await open(keyring, 'email', value)).toBe('ada')
    expect((await history(keyring)).at(-1)).toMatchObject({
      ...{ verb: 'retire', outcome: 'failed', parameters: { error: 'ERR_KEY_IN_USE' } },
    })
    await rewrap(target)
    expect(await mayRetire(target, { keyId })).toMatchObject({ retirable: true, needs: [] })
  })

  it('the active key', async () => {
    const active = (await keyring.keys()).find(({ state }) => state === 'active')
    expect(await needed({ keyId: active?.id as string })).toMatch(/rotateKek/)
    expect(await stateNow(active?.id)).toBe('active')
  })

  it('while it wraps keys of subjects', async () => {
    const before = keyId
    keyId = (await rotateKek(keyring, { purpose: 'data' })).keyId
    await seal(keyring, { email: 'x' }, { subject: 's' })
    await rotateKek(keyring, { purpose: 'data' })
    expect(await needed()).toMatch(/mortise_subject_key\.wrapped: 1 subject keys/)
    keyId = before
    expect(await mayRetire(target, { keyId })).toMatchObject({ retirable: true })
  })

  it('an index key that the record of an index names', async () => {
    const { previousKeyId } = await rotateKek(keyring, { purpose: 'index' })
    const indexKeyId = previousKeyId as string
    await store.insertIndexes([someIndex({ indexKeyId, name: 'person.email', state: 'active' })])
    expect(await needed({ keyId: indexKeyId })).toMatch(
      /mortise_index\.index_key_id: 1 indexes .*reindex/,
    )
    expect(await stateNow(indexKeyId)).toBe('decrypt-only')
  })

  it('while there are values of a format that it cannot read', async () => {
    await insert(1, Buffer.from(`e200${'ab'.repeat(8)}`, 'hex'))
    expect(await needed()).toMatch(/person\.email: 1 values of format 2/)
  })

  it('while a job is not finished', async () => {
    const insertJob = `INSERT INTO mortise_job (id, domain, verb, scope, parameters, state,
      actor, tables, created_at) VALUES ($1, $2, 'rewrap', '', '', $3, '', '', now())`
    await tables.pool.query(insertJob, ['b1', 'other', 'running'])
    await tables.pool.query(insertJob, ['b2', 'default', 'ended'])
    expect((await mayRetire(target, { keyId })).retirable).toBe(true)
    await tables.pool.query(insertJob, ['b3', 'default', 'running'])
    expect(await needed()).toMatch(/mortise_job: 1 job b3 is not finished: run rewrap/)
    await tables.pool.query('ALTER TABLE mortise_job RENAME TO other_job')
    expect((await mayRetire(target, { keyId })).retirable).toBe(true)
    await tables.pool.query('ALTER TABLE other_job RENAME TO mortise_job')
  })

  it('as a role that may not see every row', async () => {
    await insert(1, value)
    await tables.blindTo('person', async (query) => {
      const blind = {}
      registerSchema(blind, { ...schemaOf(target), query })
      const options = { keyId, backupRetentionDays: 0 }
      const { message } = await rejection(retire(blind, options), 'ERR_KEY_IN_USE')
      expect(message).toMatch(/"person": 1 a table whose row-level security hides rows/)
    })
  })

  it('while a field of the domain is in no table that it can count', async () => {
    const record = someIndex({ indexKeyId: null, bits: null, normaliser: null })
    await store.insertIndexes([
      { ...record, name: 'person.email' },
      { ...record, name: 'other.name' },
    ])
    expect(await needed()).toMatch(/other\.name: 1 a field of the domain in no table/)
    const [column] = tableOf('person', ['id'], ['name']).columns
    const definition = {
      ...(column as NonNullable<typeof column>).definition,
      fieldId: 'other.name',
    }
    await tables.pool.query('CREATE TABLE IF NOT EXISTS elsewhere (id integer, name bytea)')
    await tables.pool.query('INSERT INTO elsewhere VALUES (1, $1)', [value])
    const elsewhere = { ...tableOf('elsewhere', ['id']), columns: [{ ...column, definition }] }
    const others = [tables.target(makeKeyring({ store, secret }), elsewhere as never)]
    expect(await needed({ otherDataSources: others })).toMatch(/elsewhere\.name: 1 values/)
    await tables.pool.query('DROP TABLE elsewhere')
    const stranger = tables.target(makeKeyring({ domain: 'other' }), tableOf('person', ['id']))
    await rejection(run({ otherDataSources: [stranger] }), 'ERR_CONFIG')
    const gone = await mayRetire(target, { keyId, goneFields: ['other.name'] })
    expect(gone).toMatchObject({ retirable: true })
  })

  it.each([undefined, -1, Number.NaN, '30', 36_501])('backups kept for %j days', async (days) => {
    const error = await rejection(run({ backupRetentionDays: days as number }), 'ERR_CONFIG')
    expect(error.message).toContain('backupRetentionDays')
  })

  it('an id that is none, and one of nobody', async () => {
    await rejection(run({ keyId: 'FFFF' }), 'ERR_CONFIG')
    await rejection(run({ keyId: 'ffffffffffffffff' }), 'ERR_KEY_NOT_FOUND')
  })
})

describe('retire meets a last writer', () => {
  /** Lets something happen before the second count. */
  const beforeSecondCount = (work: () => Promise<unknown>): void => {
    let counts = 0
    target.before = async (sql) => {
      if (sql.includes('AS mark') && ++counts === 2) await work()
    }
  }

  it('counts again, and gives the key back that it had disabled', async () => {
    beforeSecondCount(async () => {
      expect(await stateNow()).toBe('disabled')
      await insert(1, value)
    })
    expect(await needed()).toMatch(/person\.email: 1 values/)
    expect(await stateNow()).toBe('decrypt-only')
    expect(await open(keyring, 'email', value)).toBe('ada')
  })

  it('leaves a key disabled that was', async () => {
    await disableKey(keyring, { keyId })
    beforeSecondCount(() => insert(1, value))
    await needed()
    expect(await stateNow()).toBe('disabled')
  })

  it('waits for a transaction that has written and not committed', async () => {
    const client = await tables.connect()
    await client.query('BEGIN')
    await client.query('INSERT INTO person VALUES (1, $1)', [value])
    let asked = 0
    target.before = async (sql) => {
      if (sql.includes('pg_snapshot_xmin') && ++asked === 2) await client.query('COMMIT')
    }
    try {
      expect(await needed()).toMatch(/person\.email: 1 values/)
    } finally {
      client.release()
    }
    expect(asked).toBeGreaterThan(1)
  })

  it('gives up where one stays open, and may be tried again', async () => {
    const client = await tables.connect()
    await client.query('BEGIN')
    await client.query('INSERT INTO person VALUES (1, $1)', [value])
    const clock = vi.spyOn(performance, 'now')
    target.before = (sql) => {
      // Half a minute goes by.
      if (sql.includes('pg_snapshot_xmin')) clock.mockReturnValue(1e12)
    }
    try {
      const error = await rejection(run(), 'ERR_KEY_IN_USE')
      expect(error).toMatchObject({ retryable: true, message: expect.stringMatching(/pg_stat/) })
    } finally {
      clock.mockRestore()
      await client.query('ROLLBACK')
      client.release()
    }
    expect(await stateNow()).toBe('decrypt-only')
  })

  it('does not destroy what somebody enabled meanwhile', async () => {
    beforeSecondCount(() => enableKey(keyring, { keyId }))
    const error = await rejection(run(), 'ERR_KEY_STORE')
    expect(error).toMatchObject({ retryable: true })
    expect(await open(keyring, 'email', value)).toBe('ada')
  })

  it('ends by its signal while it waits, with the key as it was', async () => {
    const waiting = new AbortController()
    const slow = makeKeyring({ store, secret, epochPollMs: 60_000 })
    target = tables.target(slow, tableOf('person', ['id']))
    const running = run({ signal: waiting.signal })
    await expect.poll(stateNow).toBe('disabled')
    waiting.abort(new Error('enough'))
    await expect(running).rejects.toThrow()
    expect(await stateNow()).toBe('decrypt-only')
  })

  it('two at a time destroy it once', async () => {
    const others = Array.from({ length: 3 }, () =>
      tables.target(makeKeyring({ store, secret }), tableOf('person', ['id'])),
    )
    const reports = await Promise.all(
      others.map((one) => retire(one, { keyId, backupRetentionDays: 0 })),
    )
    expect(new Set(reports.map(({ destroyedAt }) => destroyedAt)).size).toBe(1)
    expect(reports.map(({ outcome }) => outcome)).toEqual(Array(3).fill('destroyed'))
    expect(await store.loadTombstones('default')).toHaveLength(1)
  })
})

describe('while backups are kept, retire', () => {
  const days = 30
  const wait = () => run({ backupRetentionDays: days })
  const later = (ms: number): void => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
  }

  it('disables the key, and destroys it that long after it was found unused', async () => {
    const first = await wait()
    const unusedSince = Date.parse(first.unusedSince as string)
    expect(first).toMatchObject({ outcome: 'waiting', destroyedAt: null })
    expect(Date.parse(first.destroyableAt as string)).toBe(unusedSince + days * DAY_MS)
    expect(await stateNow()).toBe('disabled')
    later(days * DAY_MS - 60_000)
    expect(await wait()).toEqual(first)
    later(61_000)
    expect(await wait()).toMatchObject({ outcome: 'destroyed', unusedSince: first.unusedSince })
    expect(await stateNow()).toBe('destroyed')
  })

  it('takes no notice of how long the key was disabled, or not active, with values under it', async () => {
    await insert(1, value)
    await disableKey(keyring, { keyId })
    later(365 * DAY_MS)
    await rejection(wait(), 'ERR_KEY_IN_USE')
    await tables.pool.query('DELETE FROM person')
    expect(await wait()).toMatchObject({ outcome: 'waiting' })
  })

  it('begins anew where the key was enabled, or was found needed', async () => {
    const first = await wait()
    await enableKey(keyring, { keyId })
    later(days * DAY_MS)
    const second = await wait()
    expect(second.outcome).toBe('waiting')
    expect(second.unusedSince).not.toBe(first.unusedSince)
    await insert(1, value)
    await rejection(wait(), 'ERR_KEY_IN_USE')
    await tables.pool.query('DELETE FROM person')
    later(days * DAY_MS)
    expect(await wait()).toMatchObject({ outcome: 'waiting' })
    later(days * DAY_MS)
    expect(await wait()).toMatchObject({ outcome: 'destroyed' })
  })

  it('keeps the time of each key apart', async () => {
    const second = (await rotateKek(keyring, { purpose: 'data' })).previousKeyId as string
    const { unusedSince } = await wait()
    const [email] = (await seal(keyring, { email: 'x' })) as [Buffer]
    await insert(1, email)
    await rejection(run({ keyId: keyIdIn(email), backupRetentionDays: days }), 'ERR_KEY_IN_USE')
    later(1000)
    const other = await run({ keyId: second, backupRetentionDays: days })
    expect(other.unusedSince).not.toBe(unusedSince)
    expect(await wait()).toMatchObject({ unusedSince })
  })

  it('says beforehand what it would do, and does nothing', async () => {
    const rehearse = (backupRetentionDays: number) => run({ backupRetentionDays, dryRun: true })
    const epoch = await store.loadEpoch('default')
    const unknown = { unusedSince: null, destroyableAt: null, destroyedAt: null }
    expect(await rehearse(days)).toMatchObject({ outcome: 'waiting', ...unknown })
    expect(await rehearse(0)).toMatchObject({ outcome: 'destroyable', ...unknown })
    expect(await store.loadEpoch('default')).toBe(epoch)
    const { unusedSince } = await wait()
    expect(await rehearse(days)).toMatchObject({ outcome: 'waiting', unusedSince })
    later(days * DAY_MS)
    expect(await rehearse(days)).toMatchObject({ outcome: 'destroyable', unusedSince })
    expect(await stateNow()).toBe('disabled')
    await insert(1, value)
    await rejection(rehearse(days), 'ERR_KEY_IN_USE')
  })
})

describe('after a restore', () => {
  it('replayTombstones leaves KEKs to retire, and names those that are back', async () => {
    await run()
    const evidence = await store.loadTombstones('default')
    expect(await replayTombstones(keyring, evidence)).toMatchObject({ keys: 0, returned: [] })
    const restored = memoryKeyStore()
    for (const [i, key] of (await store.loadKeys('default')).keys.entries()) {
      if (key.purpose === 'index') continue
      const state = i === 0 ? 'active' : key.state
      await restored.insertKey({ key: { ...key, state }, demote: i === 0 ? null : keyId })
    }
    const after = makeKeyring({ store: restored, secret })
    expect(await replayTombstones(after, evidence)).toMatchObject({ keys: 0, returned: [keyId] })
    expect(await restored.loadTombstones('default')).toEqual([])
  })
})
