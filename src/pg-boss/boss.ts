/** A message as pg-boss gives it to a worker. */
export interface BossMessage {
  readonly data: unknown
  readonly createdOn: Date
}

/** How pg-boss treats a message; its own names. */
interface MessageOptions {
  readonly expireInSeconds: number
  readonly retryLimit: number
  readonly retryDelay: number
  readonly retryBackoff: boolean
}

/**
 * The part of a PgBoss that is used here, in the form that the majors 10, 11 and 12 have in common. The
 * application makes it, starts it and stops it.
 *
 * @see https://github.com/timgit/pg-boss
 */
export interface Boss {
  createQueue(name: string, options: { name: string; policy: 'short' }): Promise<unknown>
  send(
    name: string,
    data: object,
    options: MessageOptions & { readonly singletonKey: string },
  ): Promise<string | null>
  work(
    name: string,
    options: {
      readonly batchSize: number
      readonly includeMetadata: true
      readonly pollingIntervalSeconds: number
    },
    handler: (messages: BossMessage[]) => Promise<unknown>,
  ): Promise<string>
  offWork(name: string): Promise<unknown>
  notifyWorker(id: string): void
  schedule(
    name: string,
    cron: string,
    data: object,
    options: MessageOptions & { readonly tz: string },
  ): Promise<unknown>
  unschedule(name: string): Promise<unknown>
}
