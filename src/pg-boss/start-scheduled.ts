import type { Keyring } from '../keys/keyring'
import type { HistoryOptions } from '../rotation/history-record'
import { rotateKek } from '../rotation/rotate-kek'
import type { BossMessage } from './boss'
import { readMessage, type ScheduledMessage } from './message'
import type { Queue } from './queue'
import { type StartedJob, startJob } from './start-job'

/**
 * Does what a schedule says: makes a new data key, where it says so, and starts the verb. Tried again
 * after a failure, it does not rotate twice.
 */
export async function startScheduled(
  queue: Queue,
  { data, createdOn }: BossMessage,
): Promise<StartedJob> {
  const { keyring } = queue.schema()
  const message = readMessage<ScheduledMessage>(data, keyring.domain)
  if (message.rotate && !(await hasKeyMadeSince(keyring, createdOn))) {
    const { actor, reason } = message.options as HistoryOptions
    await rotateKek(keyring, { purpose: 'data', actor, reason })
  }
  return startJob(queue, message)
}

async function hasKeyMadeSince(keyring: Keyring, time: Date): Promise<boolean> {
  return (await keyring.keys()).some(
    ({ purpose, createdAt }) => purpose === 'data' && createdAt >= time,
  )
}
