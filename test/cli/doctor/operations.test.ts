import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rotateKek } from '../../../src/rotation'
import { type Clinic, openClinic } from './clinic'

let clinic: Clinic

beforeAll(async () => {
  clinic = await openClinic()
})

afterAll(() => clinic?.close())

async function addJob(id: string, domain: string, state: string, lease: string): Promise<void> {
  await clinic.sql(
    `INSERT INTO mortise_job (id, domain, verb, parameters, state, actor, tables, created_at)
      VALUES ($1, $2, 'rewrap', '', $3, '', '', '2026-01-02T03:04:00Z')`,
    [id, domain, state],
  )
  for (const shard of [0, 1]) {
    await clinic.sql(
      `INSERT INTO mortise_job_shard
        (job_id, shard, table_name, state, fence, lease_until, failed, ${await doneColumn()})
        VALUES ($1, $2, 'patient', $3, 1, now() + $4::interval, 0, 0)`,
      [id, shard, shard === 0 ? 'done' : 'open', shard === 0 ? null : lease],
    )
  }
}

/** Of what is counted in it the check knows nothing. */
async function doneColumn(): Promise<string> {
  const [column] = await clinic.sql(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = 'mortise_job_shard'::regclass
      AND attname IN ('done', 'changed')`,
  )
  return String(column?.name)
}

describe('jobs', () => {
  const BEGUN = '2026-01-02 03:04 UTC'

  it('are none', async () => {
    expect(await clinic.check('jobs')).toMatchObject([{ status: 'ok', subject: 'jobs' }])
  })

  it('of another domain are not told', async () => {
    await addJob('other', 'another', 'running', '-1 minute')
    expect(await clinic.check('jobs')).toMatchObject([{ status: 'ok', subject: 'jobs' }])
  })

  it('run, or stand still', async () => {
    await addJob('j1', 'default', 'running', '1 minute')
    expect(await clinic.check('jobs')).toMatchObject([
      { status: 'ok', subject: 'rewrap j1', finding: `runs since ${BEGUN}: 1 of 2 parts are done` },
    ])
    await clinic.sql(`UPDATE mortise_job_shard SET lease_until = now() - interval '1 s'`)
    expect(await clinic.check('jobs')).toMatchObject([
      {
        status: 'warning',
        finding: `began at ${BEGUN} and no worker goes on with it: 1 of 2 parts are done`,
        fix: 'npx mortise rewrap --data-source FILE',
      },
    ])
  })

  it('leave values behind', async () => {
    await clinic.sql(`UPDATE mortise_job SET state = 'ended'`)
    expect(await clinic.check('jobs')).toMatchObject([{ status: 'ok' }])
    await clinic.sql(`INSERT INTO mortise_job_row VALUES ('j1', 1, '7', '', 'left', 2),
      ('j1', 1, '8', 'email', 'ERR_DECRYPTION_FAILED', 1)`)
    const [finding] = await clinic.check('jobs')
    expect(finding).toMatchObject({
      status: 'warning',
      subject: 'rewrap j1',
      finding: expect.stringContaining('left 1 value that it could not do (ERR_DECRYPTION_FAILED)'),
    })
    expect(await clinic.sql(String(finding?.fix))).toMatchObject([{ row_key: '8' }])
  })
})

describe('the history', () => {
  it('holds', async () => {
    await rotateKek(clinic.keyring, { purpose: 'data' })
    expect(await clinic.check('history')).toMatchObject([
      { status: 'ok', finding: 'holds up to record 2' },
    ])
  })

  it('does not hold', async () => {
    const change = (from: string, to: string) =>
      clinic.sql('UPDATE mortise_history SET record = replace(record, $1, $2)', [from, to])
    await change('rotateKek', 'rotateKik')
    expect(await clinic.check('history')).toMatchObject([
      { status: 'problem', finding: 'record 1 is changed: somebody changed the key store' },
    ])
    await change('rotateKik', 'rotateKek')
  })

  it('has no end of an operation that was interrupted', async () => {
    await clinic.sql('DELETE FROM mortise_history WHERE sequence = 2')
    expect(await clinic.check('history')).toMatchObject([{ status: 'ok' }])
    const realNow = Date.now
    Date.now = () => realNow() + 2 * 60 * 60 * 1000
    try {
      expect(await clinic.check('history')).toMatchObject([
        { status: 'ok' },
        { status: 'warning', finding: expect.stringContaining('it was interrupted') },
      ])
    } finally {
      Date.now = realNow
    }
  })
})
