import type { JobTableReport } from '../rotation/job/job-report'
import { beginJob } from '../rotation/job/run-job'
import { JOB_VERBS } from '../rotation/job-verbs'
import type { StartMessage } from './message'
import { type Queue, sendShard } from './queue'

/** A job whose shards are in the queue. */
export interface StartedJob {
  /** 16 hex digits. */
  readonly jobId: string
  /** How many shards were still open, and have a message now. */
  readonly shards: number
  /** What was dealt with at once, in this process: keys of subjects, for a rewrap. */
  readonly done: JobTableReport | null
}

/** Begins a job, or joins the one that runs, and puts what is open of it into the queue. */
export async function startJob(queue: Queue, message: StartMessage): Promise<StartedJob> {
  const { verb, options } = message
  const schema = queue.schema()
  const { define, before } = JOB_VERBS[verb]
  const definition = await define(schema, options)
  const done = await before(schema, options)
  const job = await beginJob(schema, definition, options)
  const jobId = String(job.id)
  const open = await job.open()
  for (const shard of open) await sendShard(queue, { ...message, jobId, shard })
  // Everybody else may have died between the last shard and the end.
  if (open.length === 0) await job.report()
  return { jobId, shards: open.length, done }
}
