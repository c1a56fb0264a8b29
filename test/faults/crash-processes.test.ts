import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rewrap, rotateKek } from '../../src/rotation'
import { userProject } from '../built-package'
import { Random } from '../integration/differential/random'
import { chosenFrom, IS_SLOW, SEED } from './chosen'
import { type Peers, reportOf, startPeers } from './crash-peers'
import {
  type CrashWorld,
  createCrashWorld,
  keysInUse,
  type Participant,
  type Person,
  personOf,
} from './crash-world'
import { createSmallJob, SMALL_JOB, type SmallJob } from './small-job'

// Real processes, killed with SIGKILL: nothing of them can tidy up.
const TIMEOUT = IS_SLOW ? 1_800_000 : 120_000
const ROUNDS = IS_SLOW ? 10 : 1
const KILLS = IS_SLOW ? 11 : 4
const PEOPLE = 600

let script: string

beforeAll(() => {
  script = userProject('crash').copy('test/faults/crash-child.mjs')
})

describe('a job whose process is killed at one of its statements', () => {
  let job: SmallJob
  let peers: Peers

  beforeAll(async () => {
    job = await createSmallJob()
    peers = startPeers(script, job.world)
  })

  afterAll(async () => {
    await peers?.end()
    await job?.world.close()
  })

  it(
    'is gone on with by another process, and does each value once',
    async () => {
      const heir = await job.world.join('job')
      // Behind the last of them is the end of the process: there the job is whole.
      const positions = Array.from({ length: 70 }, (_, i) => i + 1)
      let killed = 0
      for (const nth of chosenFrom(positions, 4)) {
        await job.reset()
        const peer = peers.job(SMALL_JOB, { nth, signal: 'SIGKILL' })
        const end = await peer.ended
        if (end === 'SIGKILL') killed++
        else expect(end).toBe(0)
        const standing = await job.standing()
        await job.world.passLeases()
        await job.expectDone('rewrap', await rewrap(heir.dataSource, SMALL_JOB), standing)
      }
      expect(killed).toBeGreaterThan(IS_SLOW ? 40 : 0)
    },
    TIMEOUT,
  )
})

describe('a job that is killed again and again while others write', () => {
  let world: CrashWorld
  let peers: Peers
  let heir: Participant

  beforeAll(async () => {
    world = await createCrashWorld(PEOPLE)
    peers = startPeers(script, world)
    heir = await world.join('job that follows')
  })

  afterAll(async () => {
    await peers?.end()
    await world?.close()
  })

  /** Ids of every third row, so that each page of the job has rows of all writers, and of nobody. */
  const third = (remainder: number): number[] =>
    Array.from({ length: PEOPLE / 3 }, (_, i) => 3 * i + 1 + remainder)

  async function isResumed(before: string | null): Promise<string | null> {
    const [job] = await world.execute(`SELECT id, state FROM mortise_job`)
    if (job?.state !== 'running') return null
    // A job goes on under its id until it has ended.
    if (before !== null) expect(job.id).toBe(before)
    return String(job.id)
  }

  it(
    `loses no write and leaves no row half written (SEED=${SEED})`,
    async () => {
      const random = new Random(SEED)
      for (let round = 0; round < ROUNDS; round++) {
        const from = 10_000 * (round + 1)
        // The first does not hear of the rotation while it runs, and seals under the previous key.
        const writers = [
          peers.writer('a', { ids: third(0), newFrom: from }, 60_000),
          peers.writer('b', { ids: third(1), newFrom: from + 5000 }, 50),
        ]
        await Promise.all(writers.map((writer) => writer.line('ready')))
        const { keyId } = await rotateKek(world.observer.keyring, { purpose: 'data' })
        await killAgainAndAgain(random)
        const acknowledged = await Promise.all(writers.map((writer) => writer.stop()))
        await expectFinished(keyId)
        await expectAcknowledged(acknowledged.flatMap((rows) => [...rows]))
      }
    },
    TIMEOUT,
  )

  async function killAgainAndAgain(random: Random): Promise<void> {
    const options = { batchSize: 20, workers: 2, shardRows: 150, leaseSeconds: 1 }
    let running: string | null = null
    for (let kill = 0; kill < KILLS; kill++) {
      const peer = peers.job({ ...options, rowsPerSecond: 1500 })
      await peer.line('ready')
      await setTimeout(random.between(0, 600))
      peer.process.kill('SIGKILL')
      await peer.ended
      running = await isResumed(running)
      const { seen, counted } = await world.writtenByJobs()
      expect(counted).toBe(seen)
      // Every row opens, whatever is half done.
      expect((await world.observer.people.find()).length).toBeGreaterThan(PEOPLE / 3)
      if (random.chance(0.7)) await world.passLeases()
    }
  }

  /** The last run ends the job that is open; what was written behind its place needs another. */
  async function expectFinished(keyId: string): Promise<void> {
    const options = { batchSize: 50, leaseSeconds: 1 }
    await reportOf(peers.job(options))
    const last = await rewrap(heir.dataSource, options)
    expect(last).toMatchObject({ keyId, skipped: 0, failedCount: 0 })
    const [rows] = await world.execute('SELECT count(*)::int AS n FROM person')
    expect(await keysInUse(world.observer)).toEqual({ [keyId]: 2 * Number(rows?.n) })
  }

  async function expectAcknowledged(written: readonly [number, Person | null][]): Promise<void> {
    const { people } = world.observer
    const found = new Map((await people.find()).map((row) => [row.id, row]))
    expect(written.length).toBeGreaterThan(10)
    expect(written.map(([id]) => found.get(id) ?? null)).toEqual(written.map(([, row]) => row))
    for (const [, row] of written.slice(0, 40)) {
      if (row) expect(await people.findOneBy({ email: row.email })).toEqual(row)
    }
    for (const id of third(2)) expect(found.get(id)).toEqual(personOf(id))
  }
})

describe('a job that is stopped, cut off or hangs', () => {
  const VALUES = 2 * PEOPLE
  let world: CrashWorld
  let peers: Peers
  let heir: Participant

  beforeAll(async () => {
    world = await createCrashWorld(PEOPLE)
    peers = startPeers(script, world)
    heir = await world.join('job that follows')
  })

  beforeEach(async () => {
    await world.forgetJobs()
    await rotateKek(world.observer.keyring, { purpose: 'data' })
  })

  afterAll(async () => {
    await peers?.end()
    await world?.close()
  })

  const onceEach = { seen: VALUES, counted: VALUES }

  async function until(sql: string): Promise<void> {
    while ((await world.execute(sql)).length === 0) await setTimeout(20)
  }

  it('ends with its page on SIGTERM and gives its shards back at once', async () => {
    const lease = { leaseSeconds: 3600, shardRows: 150 }
    const peer = peers.job({ ...lease, batchSize: 20, workers: 2, rowsPerSecond: 400 })
    await until('SELECT 1 FROM job_write')
    peer.process.kill('SIGTERM')
    expect(await peer.ended).toBe(143)
    expect(
      await world.execute('SELECT 1 FROM mortise_job_shard WHERE lease_until > now()'),
    ).toEqual([])
    const { seen, counted } = await world.writtenByJobs()
    expect(counted).toBe(seen)
    expect(seen).toBeLessThan(VALUES)
    expect(await rewrap(heir.dataSource, lease)).toMatchObject({ done: VALUES, skipped: 0 })
    expect(await world.writtenByJobs()).toEqual(onceEach)
  })

  it('rejects where its connections are ended, and goes on when it is called again', async () => {
    const random = new Random(SEED)
    const name = 'job that is cut off'
    const { dataSource } = await world.join(name)
    const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`
    const options = { batchSize: 20, leaseSeconds: 1, shardRows: 150, workers: 2 }
    for (let cut = 0; cut < 3; cut++) {
      const running = rewrap(dataSource, { ...options, rowsPerSecond: 1000 })
      const outcome = running.then(
        () => 'done',
        () => 'cut off',
      )
      await setTimeout(random.between(50, 400))
      await world.execute(end, name)
      await outcome
      const { seen, counted } = await world.writtenByJobs()
      expect(counted).toBe(seen)
    }
    await rewrap(dataSource, options)
    expect(await world.writtenByJobs()).toEqual(onceEach)
  })

  it('loses its shard when it hangs, and what it writes later is refused', async () => {
    const options = { batchSize: 50, leaseSeconds: 1 }
    // Behind its first read: later ones go on while a page is written.
    const peer = peers.job(options, { begins: 'SELECT r."id"', nth: 1, signal: 'SIGSTOP' })
    await until(`SELECT 1 FROM mortise_job_shard WHERE lease_until < now()`)
    const report = await rewrap(heir.dataSource, options)
    expect(report).toMatchObject({ done: VALUES, skipped: 0 })
    peer.process.kill('SIGCONT')
    expect(await reportOf(peer)).toMatchObject({ jobId: report.jobId, done: VALUES })
    expect(await world.writtenByJobs()).toEqual(onceEach)
  })

  it.each(['WITH page', 'UPDATE "mortise_job_shard" SET lease_until'])(
    'does not keep its locks when it hangs within a page, behind %s',
    async (begins) => {
      const options = { batchSize: 50, leaseSeconds: 1 }
      const peer = peers.job(options, { begins, nth: 3, signal: 'SIGSTOP' })
      await until(`SELECT 1 FROM mortise_job_shard WHERE lease_until < now()`)
      await rewrap(heir.dataSource, options)
      // Rows that were locked to the end of that run are left to another one.
      expect(await rewrap(heir.dataSource, options)).toMatchObject({ skipped: 0, failedCount: 0 })
      peer.process.kill('SIGCONT')
      expect(await peer.ended).toBe(1)
      expect(await world.writtenByJobs()).toEqual(onceEach)
    },
  )
})
