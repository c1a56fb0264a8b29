import { checkRange, type JobOptions } from '../rotation/job/job-options'
import { JOB_VERBS } from '../rotation/job-verbs'
import { schemaOf } from '../schema'
import type { Boss } from './boss'
import {
  checkVerb,
  type QueuedOptions,
  type QueuedVerb,
  type StartMessage,
  splitOptions,
} from './message'
import {
  createShardQueue,
  createStartQueue,
  messageOptions,
  type Queue,
  startQueueName,
} from './queue'
import { type StartedJob, startJob } from './start-job'
import { startScheduled } from './start-scheduled'
import { workShard } from './work-shard'
import { type Handling, startWorkers, type Workers } from './workers'

/** Where the shards of jobs are handed out. */
export interface RotationQueueOptions {
  /** A PgBoss of the application, started. Any database; its tables need not be beside the data. */
  readonly boss: Boss
  /**
   * Name of the queue; one for each application and domain.
   *
   * @defaultValue `mortise`
   */
  readonly queue?: string | undefined
}

/** How a process takes part. */
export interface WorkerOptions {
  /** How many shards at a time, each on a connection of its own. 1 to 64. @defaultValue 1 */
  readonly concurrency?: number | undefined
  /** Seconds between two looks into an empty queue. 1 to 3,600. @defaultValue 2 */
  readonly pollingSeconds?: number | undefined
  /** As in {@link JobOptions}, for this process. */
  readonly pauseWhile?: JobOptions['pauseWhile']
  /**
   * Told of every error before its message goes back to the queue, which keeps only the code and
   * message of mortise's own errors, and no more than the kind of others.
   */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** When a verb is started by the clock. */
export type ScheduleOptions<Verb extends QueuedVerb> = QueuedOptions<Verb> & {
  /** Five fields, as pg-boss takes them: `0 3 1 1 *` is once a year. */
  readonly cron: string
  /** @defaultValue `UTC` */
  readonly timeZone?: string | undefined
  /** Makes a new data key first. @defaultValue false */
  readonly rotate?: boolean | undefined
}

/** Jobs whose shards any number of processes on any number of machines work on. */
export interface RotationQueue {
  /**
   * Begins a job, or joins the one that runs, and puts a message for each open shard into the queue.
   * Also the way to go on with a job whose messages failed for good.
   *
   * @throws what the verb throws before its first page
   */
  start<Verb extends QueuedVerb>(verb: Verb, options?: QueuedOptions<Verb>): Promise<StartedJob>
  /** Has this process take messages: those of shards, and those of schedules. */
  work(options?: WorkerOptions): Promise<Workers>
  /** Starts a verb by the clock, in whichever process takes part then; replaces its schedule. */
  schedule<Verb extends QueuedVerb>(verb: Verb, options: ScheduleOptions<Verb>): Promise<void>
  /** Takes the schedule of a verb away. */
  unschedule(verb: QueuedVerb): Promise<void>
}

/**
 * Hands the shards of batch jobs out by a queue of pg-boss, so that workers join and leave at will.
 *
 * The queue only says who may try: what is done, and who holds which shard, stands in the tables of jobs
 * beside the data. A message that comes twice, or too late, does nothing, and two workers never write
 * one shard. `jobs()` shows how far it is. Messages hold the verb, the id of the job, the number of
 * the shard and the options; nothing secret.
 *
 * @param dataSource - one that `withEncryption` was called on, initialised before the first use
 */
export function createRotationQueue(
  dataSource: object,
  { boss, queue: name = 'mortise' }: RotationQueueOptions,
): RotationQueue {
  const queue: Queue = { boss, name, schema: () => schemaOf(dataSource) }
  const message = (verb: QueuedVerb, options: object): StartMessage => {
    checkVerb(verb)
    return { verb, domain: queue.schema().keyring.domain, ...splitOptions(options) }
  }
  return {
    start: async (verb, options) => {
      const starting = message(verb, options ?? {})
      await createShardQueue(queue)
      return startJob(queue, starting)
    },
    work: (options = {}) => work(queue, options),
    schedule: async (verb, { cron, timeZone: tz = 'UTC', rotate = false, ...options }) => {
      const starting = { ...message(verb, options), rotate }
      const to = await createStartQueue(queue, verb)
      await boss.schedule(to, cron, starting, { ...startLimits(starting), tz })
    },
    unschedule: async (verb) => {
      checkVerb(verb)
      await boss.unschedule(startQueueName(queue, verb))
    },
  }
}

/** Counting and dividing large tables takes long, and cannot be handed on. */
const START_SECONDS = 7200

function startLimits(message: StartMessage): ReturnType<typeof messageOptions> {
  return { ...messageOptions(message), expireInSeconds: START_SECONDS }
}

const START_POLLING_SECONDS = 15

async function work(queue: Queue, options: WorkerOptions): Promise<Workers> {
  const { concurrency = 1, pollingSeconds = 2, pauseWhile, onError = () => {} } = options
  checkRange('concurrency', concurrency, 1, 64)
  checkRange('pollingSeconds', pollingSeconds, 1, 3600)
  const stop = new AbortController()
  const side = { concurrency, pauseWhile, signal: stop.signal }
  await createShardQueue(queue)
  const handlings: Handling[] = [
    {
      queue: queue.name,
      ...{ concurrency, pollingSeconds },
      handle: ({ data }) => workShard(queue, data, side),
    },
  ]
  for (const verb of Object.keys(JOB_VERBS) as QueuedVerb[]) {
    handlings.push({
      queue: await createStartQueue(queue, verb),
      ...{ concurrency: 1, pollingSeconds: Math.max(pollingSeconds, START_POLLING_SECONDS) },
      handle: (message) => startScheduled(queue, message),
    })
  }
  return startWorkers(queue.boss, handlings, { stop, onError })
}
