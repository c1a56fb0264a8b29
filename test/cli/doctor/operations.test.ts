import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Found } from '../../../src/cli/doctor/finding'
import { rewrap, rotateKek } from '../../../src/rotation'
import { type Clinic, openClinic, Patient, person } from './clinic'

let clinic: Clinic

beforeAll(async () => {
  clinic = await openClinic()
})

afterAll(() => clinic?.close())

describe('jobs', () => {
  const REWRAP = expect.stringMatching(/^rewrap \S+$/)

  beforeAll(async () => {
    await clinic.dataSource.getRepository(Patient).save([1, 2, 3].map(person))
    await rotateKek(clinic.keyring, { purpose: 'data' })
    await clinic.sql(`UPDATE patient SET email = set_byte(email, 60, get_byte(email, 60) # 1)
      WHERE id = 2`)
  })

  it('are none', async () => {
    expect(await clinic.check('jobs')).toMatchObject([{ status: 'ok', subject: 'jobs' }])
  })

  it('run, or stand still until somebody goes on with them', async () => {
    const stopping = new AbortController()
    let running: readonly Found[] = []
    const pauseWhile = async () => {
      running = await clinic.check('jobs')
      stopping.abort(new Error('stopped'))
      return false
    }
    const stopped = rewrap(clinic.dataSource, { batchSize: 1, pauseWhile, signal: stopping.signal })
    await expect(stopped).rejects.toThrow('stopped')
    expect(running).toMatchObject([
      {
        status: 'ok',
        subject: REWRAP,
        finding: expect.stringMatching(/^runs since 2.*Z: 0 of 1 /),
      },
    ])
    const standing = {
      status: 'warning',
      finding: expect.stringContaining('and no worker goes on with it: 0 of 1 parts are done'),
      fix: 'npx mortise rewrap --data-source FILE',
    }
    expect(await clinic.check('jobs')).toMatchObject([standing])
    await clinic.sql(`UPDATE mortise_job_shard SET lease_until = now() - interval '1 s'`)
    expect(await clinic.check('jobs')).toMatchObject([standing])
    await clinic.sql(`UPDATE mortise_job_shard SET lease_until = NULL, stop_code = 'ERR_KEY_STORE'`)
    expect((await clinic.check('jobs'))[0]?.finding).toMatch(/; it stopped with ERR_KEY_STORE$/)
    await clinic.sql(`UPDATE mortise_job SET domain = 'another'`)
    expect(await clinic.check('jobs')).toMatchObject([{ status: 'ok', subject: 'jobs' }])
    await clinic.sql(`UPDATE mortise_job SET domain = 'default'`)
  })

  it('leave values that they could not do', async () => {
    await rewrap(clinic.dataSource)
    const [finding] = await clinic.check('jobs')
    expect(finding).toMatchObject({ status: 'warning', subject: REWRAP })
    expect(finding?.finding).toContain('left 1 value that it could not do')
    const rows = await clinic.sql(String(finding?.fix))
    expect(rows).toMatchObject([{ column_name: 'email' }])
  })
})

describe('the history', () => {
  it('holds', async () => {
    await rotateKek(clinic.keyring, { purpose: 'data' })
    expect(await clinic.check('history')).toMatchObject([
      { status: 'ok', finding: expect.stringMatching(/^holds up to record \d+$/) },
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
    await clinic.sql(`DELETE FROM mortise_history
      WHERE sequence = (SELECT max(sequence) FROM mortise_history)`)
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
