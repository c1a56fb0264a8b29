import type { Boss, BossMessage } from './boss'
import { failureOf } from './failure'

/** What a process does with messages of one queue. */
export interface Handling {
  readonly queue: string
  /** How many messages at a time. */
  readonly concurrency: number
  /** Seconds between two looks into an empty queue. */
  readonly pollingSeconds: number
  handle(message: BossMessage): Promise<unknown>
}

/** Workers of this process. */
export interface Workers {
  /**
   * Takes no further message, and waits for those in work, which stop at their next page and hand on
   * what is left. To be called before `boss.stop()`.
   */
  stop(): Promise<void>
}

/** Has a process take messages from queues until it is stopped. */
export async function startWorkers(
  boss: Boss,
  handlings: readonly Handling[],
  { stop, onError }: { readonly stop: AbortController; onError(error: unknown): void },
): Promise<Workers> {
  const inWork = new Set<Promise<unknown>>()
  for (const handling of handlings) {
    for (let i = 0; i < handling.concurrency; i++)
      await startWorker(boss, handling, inWork, onError)
  }
  return {
    stop: async () => {
      stop.abort(new Error('the worker was stopped'))
      for (const { queue } of handlings) await boss.offWork(queue)
      await Promise.allSettled(inWork)
    },
  }
}

async function startWorker(
  boss: Boss,
  { queue, pollingSeconds, handle }: Handling,
  inWork: Set<Promise<unknown>>,
  onError: (error: unknown) => void,
): Promise<void> {
  const options = { batchSize: 1, includeMetadata: true, pollingIntervalSeconds: pollingSeconds }
  let id: string | undefined
  const work = async (messages: BossMessage[]): Promise<void> => {
    try {
      for (const message of messages) await handle(message)
    } catch (error) {
      onError(error)
      throw failureOf(error)
    } finally {
      // The next one is there already, as a rule.
      if (id !== undefined) boss.notifyWorker(id)
    }
  }
  id = await boss.work(queue, { ...options, includeMetadata: true }, (messages) => {
    const working = work(messages).finally(() => inWork.delete(working))
    inWork.add(working)
    return working
  })
}
