import { setTimeout as sleep } from 'node:timers/promises'
import { MortiseError } from '../../errors'
import type { Query } from '../../key-store/store'
import type { CheckedOptions } from './job-options'

/** Holds the workers of one process back. */
export interface Pace {
  /**
   * Waits until a page may be read.
   *
   * @throws the signal's reason where it is aborted meanwhile
   */
  before(signal: AbortSignal): Promise<void>
  /** Notes the rows of a page, and waits as long as they should have taken. */
  after(rows: number, signal: AbortSignal): Promise<void>
}

const ASK_AGAIN_MS = 1000
const LAG = `SELECT max(extract(epoch FROM replay_lag))::float8 AS lag,
    bool_or(state IS NULL) AS hidden FROM pg_catalog.pg_stat_replication`

/**
 * Makes what holds a job back: rows per second, replicas that are behind, and the application's word.
 *
 * @throws ERR_CONFIG from `before` where replicas exist whose lag the role may not read
 */
export function createPace(options: CheckedOptions, query: Query): Pace {
  const { rowsPerSecond, maxLagSeconds, pauseWhile } = options
  const isBehind = laggingReplicas(query, maxLagSeconds)
  let freeAt = 0
  return {
    before: async (signal) => {
      while ((await isBehind()) || (await pauseWhile?.())) {
        await sleep(ASK_AGAIN_MS, undefined, { signal })
      }
    },
    after: async (rows, signal) => {
      if (rowsPerSecond === undefined) return
      const now = performance.now()
      freeAt = Math.max(freeAt, now - ASK_AGAIN_MS) + (rows / rowsPerSecond) * 1000
      if (freeAt > now) await sleep(freeAt - now, undefined, { signal })
    },
  }
}

/** Asks once a second for all workers together. */
function laggingReplicas(query: Query, limit: number | undefined): () => Promise<boolean> {
  if (limit === undefined) return async () => false
  let askedAt = Number.NEGATIVE_INFINITY
  let behind = Promise.resolve(false)
  return () => {
    if (performance.now() - askedAt < ASK_AGAIN_MS) return behind
    askedAt = performance.now()
    behind = query(LAG, []).then(([row]) => {
      if (row?.hidden === true) throw hiddenLag()
      return Number(row?.lag ?? 0) > limit
    })
    return behind
  }
}

function hiddenLag(): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    'maxLagSeconds: this role may not read the lag of the replicas; grant it pg_monitor, or use pauseWhile',
  )
}
