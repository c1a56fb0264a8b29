import { beforeEach, describe, expect, it } from 'vitest'
import type { Query } from '../../../src/key-store/store'
import type { Keyring } from '../../../src/keys/keyring'
import { cancelJob } from '../../../src/rotation/cancel-job'
import { history } from '../../../src/rotation/history'
import { keyColumns } from '../../../src/rotation/job/key-columns'
import type { Shard } from '../../../src/rotation/job/ledger'
import { replaceRows } from '../../../src/rotation/job/replace-rows'
import { beginJob, type JobDefinition, runJob } from '../../../src/rotation/job/run-job'
import { openStoredLedger } from '../../../src/rotation/job/stored-ledger'
import type { SourceRow, TableTask } from '../../../src/rotation/job/table-task'
import { type EncryptedSchema, type EncryptedTable, schemaOf } from '../../../src/schema'
import { rejection } from '../../keys/fixtures'
import { makeKeyring, type Target, tableOf, useTables } from '../tables'

// The work of these jobs is to add one to a number, so that everything done twice is seen.
const ROWS = 1000
const LEASE = { leaseSeconds: 1, shardRows: 100, batchSize: 25 }

const tables = useTables()
let keyring: Keyring
let table: EncryptedTable
let target: Target
/** Runs within the work of a page. */
let during: ((rows: readonly SourceRow[]) => Promise<void> | void) | undefined

async function execute(sql: string, ...parameters: unknown[]): Promise<Record<string, unknown>[]> {
  return (await tables.pool.query(sql, parameters)).rows
}

beforeEach(async () => {
  for (const name of ['counter', 'mortise_job'])
    await execute(`DELETE FROM ${name}`).catch(() => {})
  await execute('CREATE TABLE IF NOT EXISTS counter (id integer PRIMARY KEY, n integer NOT NULL)')
  await execute('INSERT INTO counter SELECT i, 0 FROM generate_series(1, $1::integer) AS i', ROWS)
  keyring = makeKeyring()
  table = tableOf('counter', ['id'], ['n'])
  target = tables.target(keyring, table)
  during = undefined
})

const values = async (): Promise<unknown[]> =>
  (await execute('SELECT n, count(*)::integer AS rows FROM counter GROUP BY n ORDER BY n')).map(
    ({ n, rows }) => [n, rows],
  )

async function addOne(parameter = 'a'): Promise<JobDefinition> {
  const task = await countingTask(schemaOf(target).query)
  return { verb: 'rewrap', parameters: { parameter }, keyIds: [], tasks: [task] }
}

async function countingTask(query: Query): Promise<TableTask> {
  const keys = await keyColumns(query, table)
  const replace = replaceRows(table, keys, [
    {
      parameters: [{ name: 'o1', type: 'integer' }],
      wanted: 'p.o1 IS NOT NULL',
      unchanged: 'r.n = p.o1',
      assign: { n: 'r.n + 1' },
      written: 'r.n = p.o1 + 1',
    },
  ])
  return {
    table,
    keys,
    source: { select: ['r.n AS n'], joins: '', where: 'true', parameters: [] },
    count: async () => ({ total: ROWS, current: 0 }),
    work: async (rows) => {
      await during?.(rows)
      const failing = rows.filter(({ values: { n } }) => Number(n) < 0)
      const done = rows.filter((row) => !failing.includes(row))
      return {
        values: done.length,
        failed: failing.map(({ key }) => ({ key, column: 'n', code: 'ERR_DECRYPTION_FAILED' })),
        write: (run) =>
          replace(
            run,
            done.map(({ key, values: { n } }) => ({ key, parameters: [String(n)] })),
          ),
      }
    },
  }
}

const run = async (options: object = {}, parameter?: string) =>
  runJob(schemaOf(target), await addOne(parameter), { ...LEASE, ...options })

describe('a job', () => {
  it('deals with each row once, whatever the number of workers', async () => {
    const report = await run({ workers: 4 })
    expect(report).toMatchObject({ done: ROWS, skipped: 0, failedCount: 0 })
    expect(await values()).toEqual([[1, ROWS]])
    const shards = await execute('SELECT state, done FROM mortise_job_shard')
    expect(shards).toHaveLength(11)
    expect(new Set(shards.map(({ state }) => state))).toEqual(new Set(['done']))
  })

  it('is shared by processes that start it at the same time', async () => {
    const reports = await Promise.all([run(), run(), run()])
    expect(new Set(reports.map(({ jobId }) => jobId)).size).toBe(1)
    expect(reports.map(({ done }) => done)).toEqual([ROWS, ROWS, ROWS])
    expect(await values()).toEqual([[1, ROWS]])
  })

  it('goes on where it was stopped: with its id, and without a row done twice', async () => {
    const abort = new AbortController()
    let pages = 0
    during = () => {
      if (++pages === 10) abort.abort(new Error('stopped'))
    }
    await expect(run({ signal: abort.signal })).rejects.toThrow('stopped')
    const [job] = await execute('SELECT id FROM mortise_job')
    // While the tenth page was worked on, the ninth was written.
    expect(await values()).toEqual([
      [0, ROWS - 225],
      [1, 225],
    ])
    expect((await run()).jobId).toBe(job?.id)
    expect(await values()).toEqual([[1, ROWS]])
  })

  it('that failed in one worker stops the others, and gives their shards back at once', async () => {
    let pages = 0
    during = () => {
      if (++pages === 6) throw new Error('out of memory')
    }
    await expect(run({ workers: 3 })).rejects.toThrow('out of memory')
    const leased = await execute('SELECT 1 FROM mortise_job_shard WHERE lease_until IS NOT NULL')
    expect(leased).toEqual([])
    await run()
    expect(await values()).toEqual([[1, ROWS]])
  })

  it('rolls the rows of a page back where the place that was reached cannot be kept', async () => {
    target.before = (sql) => {
      if (sql.includes('cursor_key = coalesce')) throw new Error('connection lost')
    }
    await expect(run()).rejects.toThrow('connection lost')
    expect(await values()).toEqual([[0, ROWS]])
  })

  it('that failed ends at once, however slow its pace', async () => {
    target.before = (sql) => {
      if (sql.includes('cursor_key = coalesce')) throw new Error('connection lost')
    }
    await expect(run({ rowsPerSecond: 1 })).rejects.toThrow('connection lost')
  })

  it('reads the page behind the one that is being written', async () => {
    const seen: string[] = []
    target.before = async (sql) => {
      if (!sql.startsWith('WITH page') || seen.includes('written')) return
      while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 1))
      seen.push('written')
    }
    during = () => void seen.push('worked on')
    expect(await run()).toMatchObject({ done: ROWS, skipped: 0 })
    expect(seen.slice(0, 3)).toEqual(['worked on', 'worked on', 'written'])
  })

  it('takes over from a worker that hangs, whose page is then refused', async () => {
    let hang = (): void => {}
    const hanging = new Promise<void>((resolve) => {
      hang = resolve
    })
    during = async () => {
      during = undefined
      // No sign of life either.
      target.before = (sql) => {
        if (/SET lease_until = clock/.test(sql) && !sql.includes('done')) throw new Error('hangs')
      }
      await hanging
    }
    const first = run()
    const other = tables.target(keyring, table)
    while (during !== undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    const second = await runJob(schemaOf(other), await addOne(), LEASE)
    expect(second.done).toBe(ROWS)
    hang()
    expect((await first).done).toBe(ROWS)
    expect(await values()).toEqual([[1, ROWS]])
  })

  it('with other parameters takes the place of one that runs, which ends with an error', async () => {
    let second: Promise<unknown> | undefined
    let pages = 0
    during = async () => {
      if (++pages !== 3) return
      during = undefined
      second = run({}, 'b')
      await second
    }
    const error = await rejection(run({}, 'a'), 'ERR_JOB_SUPERSEDED')
    expect(error.message).toContain('run the verb again')
    await second
    const ends = (await history(target)).filter(({ phase }) => phase === 'ended')
    expect(ends.map(({ outcome, parameters }) => [outcome, parameters.parameter])).toEqual([
      ['stopped', 'a'],
      ['done', 'b'],
    ])
  })

  it('runs beside one of other tables, and takes the place of one that shares a table', async () => {
    const begin = (id: string, tables: string): Promise<unknown> =>
      execute(
        `INSERT INTO mortise_job (id, domain, verb, scope, parameters, state, actor, tables, created_at)
        VALUES ($1, 'default', 'rewrap', $2, '{}', 'running', '', '[]', now())`,
        ...[id, tables],
      )
    await begin('elsewhere', '[["invoice",["iban"]]]')
    await begin('before', '[["invoice",["iban"]],["counter",["n","other"]]]')
    await run()
    const states = await execute('SELECT id, state FROM mortise_job ORDER BY created_at')
    expect(states.map(({ state }) => state)).toEqual(['running', 'superseded', 'ended'])
  })

  it('leaves one record of its begin and one of its end, whoever takes part', async () => {
    await Promise.all([run({ actor: 'ops' }), run({ actor: 'ops' })])
    const records = await history(target)
    expect(records.map(({ phase, outcome, actor }) => [phase, outcome, actor])).toEqual([
      ['begun', null, 'ops'],
      ['ended', 'done', 'ops'],
    ])
    expect(records[1]?.counts).toEqual({ done: ROWS, current: 0, skipped: 0, failedCount: 0 })
  })

  it('says where its tables are missing, and does nothing', async () => {
    await execute('ALTER TABLE mortise_job RENAME TO elsewhere')
    try {
      const error = await rejection(run(), 'ERR_CONFIG')
      expect(error.message).toMatch(/mortise_job.*mortise init/s)
    } finally {
      await execute('ALTER TABLE elsewhere RENAME TO mortise_job')
    }
    expect(await values()).toEqual([[0, ROWS]])
  })
})

describe('a page of a job', () => {
  it('needs one connection, also where the job was cancelled meanwhile', async () => {
    const { query, transaction, ...rest } = schemaOf(target)
    let isTaken = false
    during = async () => {
      during = undefined
      const [job] = await execute('SELECT id FROM mortise_job')
      await cancelJob(target, { jobId: String(job?.id) })
    }
    const schema: EncryptedSchema = {
      ...rest,
      query: async (sql, parameters) => {
        if (isTaken && sql.includes('SELECT state')) throw new Error('no connection is left')
        return query(sql, parameters)
      },
      transaction: (work) =>
        transaction(async (run) => {
          isTaken = true
          return work(run).finally(() => {
            isTaken = false
          })
        }),
    }
    await rejection(runJob(schema, await addOne(), LEASE), 'ERR_JOB_CANCELLED')
    expect(await values()).toEqual([[0, ROWS]])
  })

  it('is not written where row-level security may hide rows', async () => {
    await tables.blindTo('counter', async (query) => {
      const blind = { ...schemaOf(target), query }
      const { message } = await rejection(runJob(blind, await addOne(), LEASE), 'ERR_CONFIG')
      expect(message).toContain('hide rows of counter')
    })
  })
})

describe('a lease', () => {
  it('that was given back is not renewed by what was still on its way', async () => {
    const [schema, definition] = [schemaOf(target), await addOne()]
    const { verb, parameters } = definition
    const identity = { verb, parameters, scope: [], actor: '' }
    const shards = [{ table: 'counter', after: null, upTo: null }]
    const plan = async () => ({ tables: [], shards })
    const ledger = await openStoredLedger(schema, identity, 60, {
      plan,
      superseded: async () => {},
    })
    const shard = (await ledger.claim('first')) as Shard
    await ledger.release(shard)
    await ledger.renew(shard)
    expect(await ledger.claim('second')).toMatchObject({ number: shard.number })
  })
})

describe('a report', () => {
  it('is not one of nothing where somebody began the next job meanwhile', async () => {
    const schema = schemaOf(target)
    const job = await beginJob(schema, await addOne(), LEASE)
    await job.work()
    await run()
    await run()
    await rejection(job.report(), 'ERR_JOB_SUPERSEDED')
  })
})

describe('rows that were left', () => {
  it('are kept with the job, and retry deals with them and no others', async () => {
    await execute('UPDATE counter SET n = -5 WHERE id IN (10, 500)')
    const client = await tables.connect()
    try {
      await client.query('BEGIN')
      await client.query('UPDATE counter SET id = id WHERE id = 700')
      const report = await run()
      expect(report).toMatchObject({ done: ROWS - 3, skipped: 1, failedCount: 2 })
      expect(report.failed.map(({ primaryKey, code }) => [primaryKey.id, code])).toEqual([
        ['10', 'ERR_DECRYPTION_FAILED'],
        ['500', 'ERR_DECRYPTION_FAILED'],
      ])
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
    await execute('UPDATE counter SET n = 0 WHERE id = 500')
    const retried = await run({ retry: true })
    expect(retried).toMatchObject({ done: ROWS - 1, skipped: 0, failedCount: 1 })
    expect(await values()).toEqual([
      [-5, 1],
      [1, ROWS - 1],
    ])
    const outcomes = (await history(target)).map(({ outcome }) => outcome)
    expect(outcomes).toEqual([null, 'incomplete', null, 'incomplete'])
  })

  it('are not left behind by a stop in between', async () => {
    const client = await tables.connect()
    try {
      await client.query('BEGIN')
      await client.query('UPDATE counter SET id = id WHERE id = 5')
      const abort = new AbortController()
      let pages = 0
      during = () => {
        if (++pages === 2) abort.abort(new Error('stopped'))
      }
      await expect(run({ signal: abort.signal })).rejects.toThrow('stopped')
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
    during = undefined
    expect(await run()).toMatchObject({ done: ROWS, skipped: 0 })
    expect(await values()).toEqual([[1, ROWS]])
  })

  it('are held back like all others', async () => {
    const client = await tables.connect()
    try {
      await client.query('BEGIN')
      await client.query('UPDATE counter SET id = id WHERE id <= 200')
      expect(await run()).toMatchObject({ skipped: 200 })
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
    let asked = 0
    await run({ retry: true, pauseWhile: () => ++asked < 0 })
    expect(asked).toBe(8)
  })

  it('cannot be taken up where no such job ended', async () => {
    const error = await rejection(run({ retry: true }), 'ERR_CONFIG')
    expect(error.message).toContain('without retry')
  })
})

describe('a dry run', () => {
  it('does the work, writes nothing, and keeps no job and no record', async () => {
    await execute('UPDATE counter SET n = -5 WHERE id = 10')
    const report = await run({ dryRun: true, workers: 2 })
    expect(report).toMatchObject({ jobId: null, done: ROWS - 1, failedCount: 1 })
    expect(await values()).toEqual([
      [-5, 1],
      [0, ROWS - 1],
    ])
    expect(await execute('SELECT 1 FROM mortise_job')).toEqual([])
    expect(await history(target)).toEqual([])
  })
})

describe('what holds a job back', () => {
  it('is a number of rows per second, for all workers together', async () => {
    const began = performance.now()
    await run({ workers: 2, rowsPerSecond: 800 })
    // The first second's worth is free of charge.
    expect(performance.now() - began).toBeGreaterThan(200)
    expect(await values()).toEqual([[1, ROWS]])
  })

  it("is the application's word", async () => {
    let asked = 0
    await run({ pauseWhile: async () => ++asked === 1 })
    expect(asked).toBe(1 + 10 * (4 + 1) + 1)
  })

  it('is not asked of replicas that do not exist', async () => {
    expect((await run({ maxLagSeconds: 1 })).done).toBe(ROWS)
  })
})

describe('options', () => {
  it.each([
    ['batchSize', 0],
    ['workers', 65],
    ['shardRows', 99],
    ['leaseSeconds', 0],
    ['rowsPerSecond', 0.5],
    ['maxLagSeconds', Number.NaN],
  ])('are checked: %s', async (name, value) => {
    target.sent.length = 0
    const definition = await addOne()
    target.sent.length = 0
    const error = await rejection(
      runJob(schemaOf(target), definition, { [name]: value }),
      'ERR_CONFIG',
    )
    expect(error.message).toContain(name)
    expect(target.sent).toEqual([])
  })
})
