import type { EncryptedSchema } from '../schema'
import type { Boss } from './boss'
import type { QueuedVerb, ShardMessage, StartMessage } from './message'

/** A queue of pg-boss, and the database whose jobs it hands out. */
export interface Queue {
  readonly boss: Boss
  readonly name: string
  /** Asked for with each use: the DataSource may be initialised later. */
  readonly schema: () => EncryptedSchema
}

/** Of two messages for one shard that nobody has taken yet, pg-boss keeps one. */
const POLICY = 'short'

/** Makes the queue of the shards where it does not exist. */
export async function createShardQueue({ boss, name }: Queue): Promise<void> {
  await boss.createQueue(name, { name, policy: POLICY })
}

/** Makes the queue that starts a verb by schedule: pg-boss 10 keeps one schedule for each queue. */
export async function createStartQueue(queue: Queue, verb: QueuedVerb): Promise<string> {
  const name = startQueueName(queue, verb)
  await queue.boss.createQueue(name, { name, policy: POLICY })
  return name
}

/** Name of the queue that starts a verb by schedule. */
export function startQueueName({ name }: Queue, verb: QueuedVerb): string {
  return `${name}-start-${verb}`
}

/** Puts the message of a shard into the queue, unless one waits there. */
export async function sendShard({ boss, name }: Queue, message: ShardMessage): Promise<void> {
  const { jobId, shard } = message
  const singletonKey = `${jobId}/${shard}`
  await boss.send(name, message, { ...messageOptions(message), singletonKey })
}

/** The limits of a message in pg-boss's words. */
export function messageOptions({ limits }: StartMessage): StartMessage['limits'] & {
  readonly retryBackoff: true
} {
  return { ...limits, retryBackoff: true }
}
