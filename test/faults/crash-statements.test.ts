import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chosenFrom } from './chosen'
import type { Participant } from './crash-world'
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy'
import { createSmallJob, SMALL_JOB, type SmallJob, VERBS, type Verb } from './small-job'

// A small job loses its connections behind each of its statements in turn. For PostgreSQL this is a
// process that is killed; the process itself lives on and must end with an error.
const ALIVE = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'job that ends'`

let job: SmallJob
let proxy: CuttingProxy
let doomed: Participant
let heir: Participant

beforeAll(async () => {
  job = await createSmallJob()
  proxy = await startCuttingProxy(job.world.url)
  doomed = await job.world.join('job that ends', proxy.url)
  heir = await job.world.join('job')
})

afterAll(async () => {
  await proxy?.close()
  await job?.world.close()
})

/** @returns null where the run ended in an error, as it must unless nothing of the job was lost */
async function runUntil(verb: Verb, statement: number) {
  proxy.arm(statement)
  const report = await VERBS[verb](doomed.dataSource, SMALL_JOB).catch((error: unknown) => {
    if (!proxy.isCut) throw error
    return null
  })
  while (proxy.isCut && (await job.world.execute(ALIVE)).length > 0) await setTimeout(2)
  return report
}

describe.each(Object.keys(VERBS) as Verb[])(
  '%s whose connections end behind a statement',
  (verb) => {
    it('rejects, is gone on with by another process, and does each value once', async () => {
      await job.reset()
      const whole = await runUntil(verb, Number.POSITIVE_INFINITY)
      if (whole === null) throw new Error('nothing was cut')
      await job.expectDone(verb, whole, { jobId: null, written: 0 })
      const positions = Array.from({ length: proxy.statements }, (_, i) => i + 1)
      expect(positions.length).toBeGreaterThan(40)
      let resumed = 0
      for (const statement of chosenFrom(positions, 7)) {
        await job.reset()
        expect(await runUntil(verb, statement), `cut behind statement ${statement}`).toBeNull()
        const standing = await job.standing()
        if (standing.jobId) resumed++
        await job.world.passLeases()
        await job.expectDone(verb, await VERBS[verb](heir.dataSource, SMALL_JOB), standing)
      }
      expect(resumed).toBeGreaterThan(1)
    }, 600_000)
  },
)
