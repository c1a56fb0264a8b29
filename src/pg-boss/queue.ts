import { setTimeout as sleep } from 'node:timers/promises'
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
  await createQueue(boss, name)
}

const DEADLOCK = '40P01'
const MAX_ATTEMPTS = 10
const MAX_WAIT_MS = 200

/**
 * What pg-boss does for a new queue is DDL: workers that make theirs at the same time, as after a
 * deployment, meet in a deadlock, of which PostgreSQL ends one side. Asked again it does nothing twice.
 */
async function createQueue(boss: Boss, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await boss.createQueue(name, { name, policy: POLICY })
      return
    } catch (error) {
      const { code } = Object(error) as { code?: unknown }
      if (code !== DEADLOCK || attempt === MAX_ATTEMPTS) throw error
      await sleep(Math.random() * MAX_WAIT_MS)
    }
  }
}

/** Makes the queue that starts a verb by schedule: pg-boss 10 keeps one schedule for each queue. */
export async function createStartQueue(queue: Queue, verb: QueuedVerb): Promise<string> {
  const name = startQueueName(queue, verb)
  await createQueue(queue.boss, name)
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
