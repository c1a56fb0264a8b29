import { MortiseError } from '../errors'
import { checkRange } from '../rotation/job/job-options'
import { JOB_VERBS, type JobVerbOptions } from '../rotation/job-verbs'

/** A verb that can run on a queue. */
export type QueuedVerb = keyof JobVerbOptions

/** How pg-boss treats the messages of a job. */
export interface MessageLimits {
  /**
   * After how many seconds pg-boss gives a message of a worker that died to another; looked at in
   * pg-boss's own interval of maintenance. A shard that takes more than half of it is handed on from
   * message to message. 2 to 3,600.
   *
   * @defaultValue 120
   */
  readonly expireInSeconds?: number | undefined
  /**
   * How often a message that ended with an error is tried again, before it stays failed. 0 to 100.
   *
   * @defaultValue 10: with the default delay for more than an hour
   */
  readonly retryLimit?: number | undefined
  /**
   * Seconds before the first retry; each one after it waits twice as long. 1 to 3,600.
   *
   * @defaultValue 5
   */
  readonly retryDelay?: number | undefined
}

/** What a job on a queue can be given: whatever the verb takes, but for what lives in one process. */
export type QueuedOptions<Verb extends QueuedVerb> = MessageLimits &
  Omit<JobVerbOptions[Verb], 'workers' | 'onProgress' | 'pauseWhile' | 'signal' | 'dryRun'>

/** What every message says. Nothing in it is secret. */
export interface StartMessage {
  readonly verb: QueuedVerb
  readonly domain: string
  /** Those of the verb. */
  readonly options: object
  readonly limits: Required<{ readonly [Name in keyof MessageLimits]: number }>
}

/** A message that hands out one shard. */
export interface ShardMessage extends StartMessage {
  readonly jobId: string
  readonly shard: number
}

/** A message of a schedule. */
export interface ScheduledMessage extends StartMessage {
  readonly rotate: boolean
}

/**
 * Takes the limits out of the options.
 *
 * @throws ERR_CONFIG naming one out of its range
 */
export function splitOptions({
  expireInSeconds = 120,
  retryLimit = 10,
  retryDelay = 5,
  ...options
}: MessageLimits): Pick<StartMessage, 'options' | 'limits'> {
  checkRange('expireInSeconds', expireInSeconds, 2, 3600)
  checkRange('retryLimit', retryLimit, 0, 100)
  checkRange('retryDelay', retryDelay, 1, 3600)
  return { options, limits: { expireInSeconds, retryLimit, retryDelay } }
}

/**
 * Reads a message that some version of mortise sent, for this application.
 *
 * @throws ERR_CONFIG for a verb that this version does not know, another domain, and what is no message
 */
export function readMessage<Message extends StartMessage>(data: unknown, domain: string): Message {
  const message = Object(data) as Partial<Message>
  checkVerb(message.verb)
  if (typeof message.limits?.expireInSeconds !== 'number') {
    throw new MortiseError('ERR_CONFIG', 'the queue holds a message that mortise did not send')
  }
  if (message.domain !== domain) {
    throw new MortiseError(
      'ERR_CONFIG',
      `the queue holds a message of domain ${message.domain}, and this worker's keyring is of domain ${domain}: give each domain a queue of its own`,
    )
  }
  return message as Message
}

/** @throws ERR_CONFIG for what is no verb, or one that cannot be handed out in shards */
export function checkVerb(verb: unknown): asserts verb is QueuedVerb {
  if (typeof verb === 'string' && Object.hasOwn(JOB_VERBS, verb)) return
  const known = Object.keys(JOB_VERBS).join(', ')
  throw new MortiseError(
    'ERR_CONFIG',
    `${String(verb)} is not a verb that this version runs on a queue: it runs ${known}`,
  )
}
