import type { JobProgress } from '../rotation'

/** How far a job is with all its tables; `table` is the one that was worked on last. */
export interface OverallProgress extends JobProgress {
  /** Of the last half minute; 0 until something was done. */
  readonly perSecond: number
  /** `null` as long as nothing was done. */
  readonly secondsLeft: number | null
}

const WINDOW_MS = 30_000

/**
 * Adds the tables of a job up, and measures its speed over the last half minute: a job that waits for
 * replicas, or goes on where an earlier run stopped, says how fast it is now.
 */
export class ProgressMeter {
  readonly #tables = new Map<string, JobProgress>()
  #samples: { readonly at: number; readonly done: number }[] = []

  /** @param now - in milliseconds of a clock that never goes back */
  update(progress: JobProgress, now: number): OverallProgress {
    this.#tables.set(progress.table, progress)
    const sum = (count: 'done' | 'total'): number =>
      [...this.#tables.values()].reduce((all, table) => all + table[count], 0)
    const done = sum('done')
    const total = sum('total')
    // A verb of several passes over one table begins at 0 again.
    const kept = this.#samples.filter((one) => now - one.at <= WINDOW_MS && one.done <= done)
    this.#samples = [...kept, { at: now, done }]
    const perSecond = this.#perSecond(now, done)
    const secondsLeft = perSecond > 0 ? (total - done) / perSecond : null
    return { table: progress.table, done, total, perSecond, secondsLeft }
  }

  #perSecond(now: number, done: number): number {
    const first = this.#samples[0] ?? { at: now, done }
    return now > first.at ? ((done - first.done) * 1000) / (now - first.at) : 0
  }
}
