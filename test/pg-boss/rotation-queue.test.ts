import { setTimeout as sleep } from 'node:timers/promises'
import PgBoss from 'pg-boss'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { memoryKeyStore } from '../../src/key-store/memory'
import type { KeyStore } from '../../src/key-store/store'
import { createKeyring, type Keyring } from '../../src/keys/keyring'
import {
  type Boss,
  createRotationQueue,
  type RotationQueue,
  type WorkerOptions,
  type Workers,
} from '../../src/pg-boss'
import { createShardQueue, type Queue } from '../../src/pg-boss/queue'
import { startScheduled } from '../../src/pg-boss/start-scheduled'
import { generateRootKey } from '../../src/providers/in-app'
import { cancelJob, history, jobs, rotateKek } from '../../src/rotation'
import { schemaOf } from '../../src/schema'
import { rejection, scriptedProvider } from '../keys/fixtures'
import { makeKeyring, seal, type Target, tableOf, useTables } from '../rotation/tables'

const ROWS = 250
/** Three shards. */
const SMALL = { shardRows: 100, batchSize: 50, leaseSeconds: 1, retryDelay: 1 }

const tables = useTables()
const table = tableOf('person', ['id'])
const secret = generateRootKey()
let boss: PgBoss
let store: KeyStore
let target: Target
let queue: RotationQueue
let name: string
let started: Workers[]

beforeAll(async () => {
  const connectionString = String(tables.pool.options.connectionString)
  boss = new PgBoss({
    ...{ connectionString, max: 4, maintenanceIntervalSeconds: 1 },
    ...{ cronMonitorIntervalSeconds: 1, cronWorkerIntervalSeconds: 1 },
  })
  boss.on('error', () => {})
  await boss.start()
})

afterAll(() => boss?.stop({ graceful: false }))

beforeEach(async (test) => {
  await tables.pool.query(`DROP TABLE IF EXISTS person, written;
    CREATE TABLE person (id integer PRIMARY KEY, email bytea);
    CREATE TABLE written (id integer);
    CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO written SELECT id FROM changed; RETURN NULL; END $$;
    CREATE TRIGGER noted AFTER UPDATE ON person REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION note();
    DELETE FROM mortise_job`)
  store = memoryKeyStore()
  const keyring = makeKeyring({ store, secret })
  const [email] = await seal(keyring, { email: 'ada@example.com' })
  await tables.pool.query('INSERT INTO person SELECT i, $1 FROM generate_series(1, $2::int) AS i', [
    email,
    ROWS,
  ])
  await rotateKek(keyring, { purpose: 'data' })
  target = tables.target(keyring, table)
  name = `q${test.task.id.replaceAll(/\W/g, '')}`
  queue = createRotationQueue(target, { boss, queue: name })
  started = []
})

afterEach(async () => {
  await Promise.all(started.map((workers) => workers.stop()))
})

describe('a queue that others make at the same time', () => {
  const failing = (codes: string[]): Queue => {
    const createQueue = async (): Promise<void> => {
      const code = codes.shift()
      if (code !== undefined) throw Object.assign(new Error('refused'), { code })
    }
    return { boss: { createQueue } as unknown as Boss, name, schema: () => schemaOf(target) }
  }

  it('is asked for again where PostgreSQL found a deadlock, and for nothing else', async () => {
    const codes = ['40P01', '40P01']
    await createShardQueue(failing(codes))
    expect(codes).toEqual([])
    await expect(createShardQueue(failing(['42501']))).rejects.toMatchObject({ code: '42501' })
    const always = Array.from({ length: 20 }, () => '40P01')
    await expect(createShardQueue(failing(always))).rejects.toMatchObject({ code: '40P01' })
  })
})

/** Another process: a keyring of its own over the same store. */
async function joinAs(keyring: Keyring, options: WorkerOptions = {}): Promise<Target> {
  const own = tables.target(keyring, table)
  const peer = createRotationQueue(own, { boss, queue: name })
  started.push(await peer.work({ pollingSeconds: 1, ...options }))
  return own
}

const sameKeys = (): Keyring => makeKeyring({ store, secret })

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50)
}

const ended = async (): Promise<boolean> =>
  (await jobs(target)).every((job) => job.state === 'ended')

/** Rows by how often they were written. */
async function writes(): Promise<unknown> {
  const sql = `SELECT n::int, count(*)::int FROM (SELECT count(*) AS n FROM written GROUP BY id) AS w
    GROUP BY n ORDER BY n`
  return (await tables.pool.query({ text: sql, rowMode: 'array' })).rows
}

/** Messages of the queue by state. */
async function messages(state: string): Promise<{ data: { shard: number }; output: unknown }[]> {
  const sql = 'SELECT data, output FROM pgboss.job WHERE name = $1 AND state::text = $2'
  return (await tables.pool.query(sql, [name, state])).rows
}

describe('a job on a queue', () => {
  it('is shared by its workers: each row is written once, and one record says so', async () => {
    const job = await queue.start('rewrap', { ...SMALL, actor: 'night shift' })
    expect(job).toEqual({ jobId: expect.stringMatching(/^[0-9a-f]{16}$/), shards: 3, done: null })
    await joinAs(sameKeys())
    await joinAs(sameKeys(), { concurrency: 2 })
    await until(ended)
    expect(await writes()).toEqual([[1, ROWS]])
    expect(await history(target)).toMatchObject([
      { verb: 'rotateKek' },
      { verb: 'rotateKek' },
      { operation: job.jobId, phase: 'begun', actor: 'night shift' },
      { operation: job.jobId, phase: 'ended', outcome: 'done', counts: { done: ROWS } },
    ])
  })

  it('is any verb that is one job, with what it takes', async () => {
    const [old] = (await target.keyring.keys()).filter(({ state }) => state === 'decrypt-only')
    const keyIds = [String(old?.id)]
    const { jobId } = await queue.start('reencrypt', { ...SMALL, keyIds })
    await joinAs(sameKeys())
    await until(ended)
    expect(await writes()).toEqual([[1, ROWS]])
    expect(await jobs(target)).toMatchObject([{ jobId, verb: 'reencrypt', state: 'ended' }])
    const { rows } = await tables.pool.query('SELECT count(DISTINCT email)::int AS n FROM person')
    expect(rows).toEqual([{ n: ROWS }])
    const verified = await queue.start('verify', { ...SMALL, open: true })
    await until(ended)
    const [, verifying] = await jobs(target)
    expect(verifying).toMatchObject({ jobId: verified.jobId, tables: [{ done: ROWS }] })
  })

  it('has the keys of subjects moved by whoever starts it', async () => {
    await seal(target.keyring, { email: 'bob@example.com' }, { subject: '7' })
    await rotateKek(target.keyring, { purpose: 'data' })
    const { done } = await queue.start('rewrap', SMALL)
    expect(done).toMatchObject({ table: 'mortise_subject_key', done: 1, failedCount: 0 })
  })

  it('has one message for each open shard, however often it is started', async () => {
    const { jobId } = await queue.start('rewrap', SMALL)
    expect(await queue.start('rewrap', SMALL)).toMatchObject({ jobId, shards: 3 })
    expect((await messages('created')).map(({ data }) => data.shard).sort()).toEqual([0, 1, 2])
  })

  it('that is done is ended by whoever starts it again', async () => {
    const { jobId } = await queue.start('rewrap', SMALL)
    await tables.pool.query(`UPDATE mortise_job_shard SET state = 'done'`)
    expect(await queue.start('rewrap', SMALL)).toMatchObject({ jobId, shards: 0 })
    expect(await ended()).toBe(true)
  })

  it('hands a shard on that takes longer than its message may', async () => {
    await queue.start('rewrap', {
      ...SMALL,
      shardRows: 1000,
      rowsPerSecond: 100,
      expireInSeconds: 2,
    })
    await joinAs(sameKeys())
    await until(ended)
    expect(await writes()).toEqual([[1, ROWS]])
    await until(async () => (await messages('active')).length === 0)
    expect((await messages('completed')).length).toBeGreaterThan(1)
    expect(await messages('failed')).toEqual([])
  })

  it('goes on elsewhere when a worker stops, behind the page in work', async () => {
    let pages = 0
    let stopping: Promise<void> | undefined
    await queue.start('rewrap', SMALL)
    await joinAs(sameKeys(), {
      pauseWhile: () => {
        pages++
        if (pages === 3) stopping = started[0]?.stop()
        return false
      },
    })
    await until(async () => stopping !== undefined)
    await stopping
    expect(await jobs(target)).toMatchObject([{ state: 'running', workers: [] }])
    await joinAs(sameKeys())
    await until(ended)
    expect(await writes()).toEqual([[1, ROWS]])
  })

  it('takes up again what it had to leave', async () => {
    const damage = `UPDATE person SET email = overlay(email placing '\\x00'::bytea from 60) WHERE id = 7`
    await tables.pool.query(damage)
    await queue.start('rewrap', SMALL)
    await joinAs(sameKeys())
    await until(ended)
    const done = { done: ROWS - 1, failedCount: 1 }
    expect(await jobs(target)).toMatchObject([{ tables: [done] }])
    expect(await queue.start('rewrap', { ...SMALL, retry: true })).toMatchObject({ shards: 1 })
    await until(ended)
    expect(await jobs(target)).toMatchObject([{ tables: [done] }])
  })

  it('that was cancelled leaves messages that do nothing', async () => {
    const { jobId } = await queue.start('rewrap', SMALL)
    const errors: unknown[] = []
    await joinAs(sameKeys(), {
      onError: (error) => errors.push(error),
      pauseWhile: async () => {
        await cancelJob(target, { jobId })
        return false
      },
    })
    await until(async () => (await messages('completed')).length === 3)
    expect(errors).toEqual([])
    expect((await jobs(target))[0]).toMatchObject({ jobId, state: 'cancelled' })
    expect(await writes()).not.toEqual([[1, ROWS]])
  })
})

describe('a provider that is away', () => {
  const scripted = () => scriptedProvider('main', secret)
  const keyringOf = (provider: ReturnType<typeof scripted>): Keyring =>
    createKeyring({
      providers: [provider],
      store,
      calls: { timeoutMs: 100, deadlineMs: 200 },
      cache: { epochPollMs: 0 },
    })

  it('is waited for, and the job says what it waits for', async () => {
    const provider = scripted()
    provider.failure = new Error('no route to host')
    await queue.start('rewrap', SMALL)
    await joinAs(keyringOf(provider))
    const stopped = [{ code: 'ERR_KEY_PROVIDER', shards: 3 }]
    await until(async () => (await jobs(target))[0]?.stopped[0]?.shards === 3)
    expect(await jobs(target)).toMatchObject([{ state: 'running', stopped, workers: [] }])
    provider.failure = undefined
    await until(ended)
    expect(await writes()).toEqual([[1, ROWS]])
    expect(await jobs(target)).toMatchObject([{ stopped: [] }])
  })

  it('for too long makes the messages fail; started again, the job goes on', async () => {
    const provider = scripted()
    provider.failure = new Error('no route to host')
    const { jobId } = await queue.start('rewrap', { ...SMALL, retryLimit: 0 })
    await joinAs(keyringOf(provider))
    await until(async () => (await messages('failed')).length === 3)
    expect(await jobs(target)).toMatchObject([{ jobId, stopped: [{ shards: 3 }] }])
    provider.failure = undefined
    expect(await queue.start('rewrap', SMALL)).toMatchObject({ jobId, shards: 3 })
    await until(ended)
    expect(await writes()).toEqual([[1, ROWS]])
  })
})

describe('an error', () => {
  it('of a statement is given to the worker, and no value of it to the queue', async () => {
    const seen: unknown[] = []
    const error = Object.assign(new Error('invalid input syntax: "ada@example.com"'), {
      name: 'QueryFailedError',
      code: '22P02',
      parameters: ['ada@example.com'],
    })
    await queue.start('rewrap', { ...SMALL, retryLimit: 0 })
    const own = await joinAs(sameKeys(), { onError: (one) => seen.push(one) })
    own.before = (sql) => {
      if (sql.startsWith('WITH page')) throw error
    }
    await until(async () => (await messages('failed')).length === 3)
    expect(seen).toEqual([error, error, error])
    const kept = JSON.stringify(await messages('failed'))
    expect(kept).toContain('QueryFailedError 22P02')
    expect(kept).not.toContain('example.com')
    expect(await jobs(target)).toMatchObject([{ stopped: [{ code: 'unknown', shards: 3 }] }])
  })

  it('is what a worker of another domain, version or declaration meets', async () => {
    const seen: Error[] = []
    const onError = (error: unknown): void => void seen.push(error as Error)
    await queue.start('rewrap', { ...SMALL, retryLimit: 0 })
    await joinAs(makeKeyring({ domain: 'other' }), { onError })
    await until(async () => seen.length === 3)
    expect(seen[0]).toMatchObject({ code: 'ERR_CONFIG' })
    expect(seen[0]?.message).toContain('a queue of its own')
    await started.pop()?.stop()
    seen.length = 0
    await queue.start('rewrap', { ...SMALL, retryLimit: 0 })
    await rotateKek(target.keyring, { purpose: 'data' })
    await joinAs(sameKeys(), { onError })
    await until(async () => seen.length === 3)
    expect(seen[0]).toMatchObject({ code: 'ERR_CONFIG' })
    expect(seen[0]?.message).toContain('start rewrap again')
    await boss.send(name, { verb: 'defragment' }, { retryLimit: 0, singletonKey: '1' })
    await boss.send(name, { verb: 'rewrap' }, { retryLimit: 0, singletonKey: '2' })
    await until(async () => seen.length === 5)
    expect(seen[3]?.message).toContain('defragment')
    expect(seen[4]?.message).toContain('did not send')
  })
})

describe('a schedule', () => {
  it('rotates, and starts the verb, in whichever process takes part', async () => {
    const [first] = (await target.keyring.keys()).filter(({ state }) => state === 'active')
    await queue.schedule('rewrap', {
      ...SMALL,
      cron: '* * * * *',
      rotate: true,
      actor: 'the clock',
    })
    await until(async () => (await boss.getQueueSize(`${name}-start-rewrap`)) > 0)
    await queue.unschedule('rewrap')
    await joinAs(sameKeys())
    await until(async () => (await jobs(target)).length === 1 && (await ended()))
    const [active] = (await target.keyring.keys()).filter(
      ({ state, purpose }) => state === 'active' && purpose === 'data',
    )
    expect(active?.id).not.toBe(first?.id)
    expect((await history(target)).slice(2)).toMatchObject([
      { verb: 'rotateKek', actor: 'the clock', phase: 'begun' },
      { verb: 'rotateKek', keyIds: [active?.id, expect.any(String)] },
      { verb: 'rewrap', actor: 'the clock', phase: 'begun' },
      { verb: 'rewrap', outcome: 'done', keyIds: [active?.id] },
    ])
    expect(await writes()).toEqual([[1, ROWS]])
  })
})

describe('a message of a schedule', () => {
  it('rotates once, also where the first try fails between rotation and job', async () => {
    const limits = { expireInSeconds: 60, retryLimit: 1, retryDelay: 1 }
    // A key of the same millisecond would be taken for one that this message made.
    await sleep(5)
    const message = {
      data: { verb: 'rewrap', domain: 'default', options: SMALL, limits, rotate: true },
      createdOn: new Date(),
    }
    const own: Queue = { boss, name, schema: () => schemaOf(target) }
    await createShardQueue(own)
    const before = (await target.keyring.keys()).length
    target.before = (sql) => {
      if (sql.startsWith('INSERT INTO "mortise_job"')) throw new Error('the server was restarted')
    }
    await expect(startScheduled(own, message)).rejects.toThrow('restarted')
    expect(await target.keyring.keys()).toHaveLength(before + 1)
    target.before = undefined
    expect(await startScheduled(own, message)).toMatchObject({ shards: 3 })
    expect(await target.keyring.keys()).toHaveLength(before + 1)
  })
})

describe('what is asked for', () => {
  it('is checked before anything is sent', async () => {
    const wrong = (options: object) => queue.start('rewrap', options)
    for (const options of [
      { expireInSeconds: 1 },
      { retryLimit: -1 },
      { retryDelay: 0 },
      { batchSize: 0 },
    ]) {
      const error = await rejection(wrong(options), 'ERR_CONFIG')
      expect(error.message).toContain(Object.keys(options)[0])
    }
    await rejection(queue.work({ concurrency: 65 }), 'ERR_CONFIG')
    await rejection(queue.work({ pollingSeconds: 0 }), 'ERR_CONFIG')
    await rejection(queue.start('shred' as 'rewrap'), 'ERR_CONFIG')
    await rejection(queue.unschedule('shred' as 'rewrap'), 'ERR_CONFIG')
    expect(await jobs(target)).toEqual([])
  })

  it('takes a PgBoss as it is', () => {
    expect(boss satisfies Boss).toBe(boss)
  })
})
