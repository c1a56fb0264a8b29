import { beforeEach, describe, expect, it } from 'vitest'
import type { Query } from '../../src/key-store/store'
import { cancelJob } from '../../src/rotation/cancel-job'
import { history } from '../../src/rotation/history'
import { jobs } from '../../src/rotation/jobs'
import { rewrap } from '../../src/rotation/rewrap'
import { rotateKek } from '../../src/rotation/rotate-kek'
import { registerSchema, schemaOf } from '../../src/schema'
import { rejection } from '../keys/fixtures'
import { makeKeyring, seal, type Target, tableOf, useTables } from './tables'

const ROWS = 250

const tables = useTables()
let target: Target

beforeEach(async () => {
  const { pool } = tables
  await pool.query('DROP TABLE IF EXISTS person')
  await pool.query('DELETE FROM mortise_job')
  await pool.query('CREATE TABLE person (id integer PRIMARY KEY, email bytea)')
  const keyring = makeKeyring()
  const [email] = await seal(keyring, { email: 'ada@example.com' })
  await pool.query('INSERT INTO person SELECT i, $1 FROM generate_series(1, $2::integer) AS i', [
    email,
    ROWS,
  ])
  await rotateKek(keyring, { purpose: 'data' })
  target = tables.target(keyring, tableOf('person', ['id']))
})

/** Runs a rewrap of three shards, and `during` when the first of them is done. */
async function rewrapWith(during: () => Promise<unknown>): Promise<unknown> {
  let page = 0
  return rewrap(target, {
    ...{ shardRows: 100, batchSize: 50, actor: 'night shift' },
    pauseWhile: async () => {
      page++
      if (page === 4) await during()
      return false
    },
  })
}

async function count(sql: string): Promise<number> {
  return Number((await tables.pool.query(`SELECT count(*) FROM ${sql}`)).rows[0].count)
}

describe('jobs', () => {
  it('shows how far a job is, who works on it, and what it did in the end', async () => {
    const seen: Awaited<ReturnType<typeof jobs>>[] = []
    const report = await rewrapWith(async () => seen.push(await jobs(target)))
    const [job] = seen[0] ?? []
    expect(job).toEqual({
      jobId: (report as { jobId: string }).jobId,
      ...{ verb: 'rewrap', state: 'running', actor: 'night shift', endedAt: null },
      beganAt: expect.any(Date),
      tables: [{ table: 'person', total: ROWS, current: 0, done: 100, skipped: 0, failedCount: 0 }],
      shards: { open: 1, leased: 1, done: 1 },
      workers: [{ owner: expect.stringMatching(/:\d+:0$/), leaseUntil: expect.any(Date) }],
      stopped: [],
    })
    expect(job?.workers[0]?.leaseUntil.getTime()).toBeGreaterThan(Date.now() + 10_000)
    expect(await jobs(target)).toEqual([
      {
        ...{ ...job, state: 'ended', endedAt: expect.any(Date), workers: [] },
        tables: [{ ...job?.tables[0], done: ROWS }],
        shards: { open: 0, leased: 0, done: 3 },
      },
    ])
  })

  it('and jobs themselves read points in time whatever the style of dates', async () => {
    const styled: Query = async (sql, values) => {
      const client = await tables.connect()
      try {
        await client.query("SET datestyle = 'SQL, DMY'")
        return (await client.query(sql, [...values])).rows
      } finally {
        await client.query('RESET datestyle')
        client.release()
      }
    }
    const elsewhere = {}
    registerSchema(elsewhere, { ...schemaOf(target), query: styled })
    let leases: number[] = []
    const { jobId } = await rewrap(elsewhere, {
      pauseWhile: async () => {
        const [job] = await jobs(elsewhere)
        leases = job?.workers.map(({ leaseUntil }) => leaseUntil.getTime() - Date.now()) ?? []
        return false
      },
    })
    expect(leases).toEqual([expect.closeTo(15_000, -4)])
    const [job] = await jobs(elsewhere)
    expect(job?.jobId).toBe(jobId)
    for (const time of [job?.beganAt, job?.endedAt]) {
      expect(Math.abs((time?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000)
    }
  })

  it('shows one domain', async () => {
    await rewrapWith(async () => {})
    expect(await jobs(tables.target(makeKeyring({ domain: 'other' })))).toEqual([])
  })

  it('says where its tables are missing', async () => {
    await tables.pool.query('ALTER TABLE mortise_job RENAME TO hidden')
    const asked = jobs(target)
    await asked.catch(() => {})
    await tables.pool.query('ALTER TABLE hidden RENAME TO mortise_job')
    expect((await rejection(asked, 'ERR_CONFIG')).message).toContain('mortise_job')
  })
})

describe('cancelJob', () => {
  it('stops whoever works on the job at the next page, for good', async () => {
    let jobId = ''
    const working = rewrapWith(async () => {
      jobId = (await jobs(target))[0]?.jobId ?? ''
      const options = { jobId, actor: 'ada', reason: 'too slow' }
      expect(await cancelJob(target, options)).toEqual({ verb: 'rewrap' })
    })
    expect((await rejection(working, 'ERR_JOB_CANCELLED')).message).toContain(jobId)
    expect(await jobs(target)).toMatchObject([{ jobId, state: 'cancelled', workers: [] }])
    expect((await history(target)).at(-1)).toMatchObject({
      ...{ operation: jobId, phase: 'ended', verb: 'rewrap', outcome: 'stopped' },
      ...{ actor: 'ada', reason: 'too slow' },
    })
    expect(await cancelJob(target, { jobId })).toEqual({ verb: 'rewrap' })
    const again = await rewrap(target)
    expect(again).toMatchObject({ done: ROWS - 100, current: 100 })
    expect(again.jobId).not.toBe(jobId)
  })

  it('leaves the job alone where it cannot be recorded', async () => {
    await rewrapWith(async () => {
      const [job] = await jobs(target)
      const jobId = String(job?.jobId)
      await rejection(cancelJob(target, { jobId, reason: '\0' }), 'ERR_CONFIG')
    })
    expect(await count("mortise_job WHERE state = 'ended'")).toBe(1)
  })

  it('does not say so of a job that ended in the same moment', async () => {
    await expect(rewrapWith(() => Promise.reject(new Error('stopped')))).rejects.toThrow('stopped')
    const [job] = await jobs(target)
    target.before = async (sql) => {
      if (!sql.includes("SET state = 'cancelled'")) return
      target.before = undefined
      await tables.pool.query("UPDATE mortise_job SET state = 'ended'")
    }
    const cancelled = cancelJob(target, { jobId: String(job?.jobId) })
    expect((await rejection(cancelled, 'ERR_CONFIG')).message).toContain('ended already')
  })

  it('refuses a job that does not run', async () => {
    const { jobId } = await rewrap(target)
    const ended = await rejection(cancelJob(target, { jobId: String(jobId) }), 'ERR_CONFIG')
    expect(ended.message).toContain('ended already')
    const unknown = cancelJob(target, { jobId: '0123456789abcdef' })
    expect((await rejection(unknown, 'ERR_CONFIG')).message).toContain('0123456789abcdef')
  })
})
