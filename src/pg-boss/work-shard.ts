import { isMortiseError, type MortiseErrorCode } from '../errors'
import type { JobOptions } from '../rotation/job/job-options'
import { joinJob } from '../rotation/job/run-job'
import { noteShardStop } from '../rotation/job/shard-stop'
import { JOB_VERBS } from '../rotation/job-verbs'
import { readMessage, type ShardMessage } from './message'
import { type Queue, sendShard } from './queue'

/** What a worker brings along. */
export interface WorkerSide {
  /** How many messages its process works on at a time: they share `rowsPerSecond`. */
  readonly concurrency: number
  readonly pauseWhile: JobOptions['pauseWhile']
  /** Aborted when the worker is to stop. */
  readonly signal: AbortSignal
}

/** What ends a job that others decided to end: there is nothing to try again. */
const OVER: readonly MortiseErrorCode[] = ['ERR_JOB_SUPERSEDED', 'ERR_JOB_CANCELLED']

/**
 * Works on the shard of a message, for at most half of the time that pg-boss gives it; what is left is
 * handed on in a new message. Whoever finishes the last shard ends the job.
 *
 * @throws ERR_CONFIG for a message that is not for this process; whatever the verb's work throws
 */
export async function workShard(queue: Queue, data: unknown, side: WorkerSide): Promise<void> {
  const message = readMessage<ShardMessage>(data, queue.schema().keyring.domain)
  const time = new AbortController()
  const signal = AbortSignal.any([side.signal, time.signal])
  try {
    await workOn(queue, message, { ...side, signal }, time)
  } catch (error) {
    if (isMortiseError(error) && OVER.includes(error.code)) return
    if (!signal.aborted || error !== signal.reason) {
      await leaveNote(queue, message, error)
      throw error
    }
    await sendShard(queue, message)
  }
}

async function workOn(
  queue: Queue,
  message: ShardMessage,
  side: WorkerSide,
  time: AbortController,
): Promise<void> {
  const { verb, jobId, shard, limits } = message
  const schema = queue.schema()
  const options = jobOptions(message, side)
  const definition = await JOB_VERBS[verb].define(schema, options)
  const job = await joinJob(schema, definition, options, jobId)
  if (job === null) return
  // Counted from here, so that each message gets on by a page, however slow the server is.
  const over = () => time.abort(new Error('the time of the message is over'))
  const timer = setTimeout(over, limits.expireInSeconds * 500)
  try {
    await job.work(shard)
  } finally {
    clearTimeout(timer)
  }
  if ((await job.open()).length === 0) await job.report()
}

function jobOptions(
  { options }: ShardMessage,
  { concurrency, pauseWhile, signal }: WorkerSide,
): JobOptions {
  const { rowsPerSecond, ...given } = options as JobOptions
  const share =
    rowsPerSecond === undefined
      ? {}
      : { rowsPerSecond: Math.max(1, Math.floor(rowsPerSecond / concurrency)) }
  return { ...given, ...share, retry: false, workers: 1, pauseWhile, signal }
}

/** For `jobs()`. What went wrong first is what the caller must know. */
async function leaveNote(
  queue: Queue,
  { jobId, shard }: ShardMessage,
  error: unknown,
): Promise<void> {
  const code = isMortiseError(error) ? error.code : 'unknown'
  await noteShardStop(queue.schema(), jobId, shard, code).catch(() => {})
}
