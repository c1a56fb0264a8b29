import type { JobProgress } from '../rotation'
import { durationText } from './duration'
import { type OverallProgress, ProgressMeter } from './progress-meter'
import { grouped } from './text-table'

/** Where the progress of one job is shown. */
export interface ProgressDisplay {
  /** What a verb takes as `onProgress`. */
  readonly update: (progress: JobProgress) => void
  /** Takes the bar off the terminal. */
  readonly end: () => void
}

/** Whoever follows a log file wants a sign of life, not every page. */
const LINE_EVERY_MS = 5000
const JSON_EVERY_MS = 1000

/** Shows nothing. */
export const noProgress: ProgressDisplay = { update: () => {}, end: () => {} }

/** A line of text every few seconds, and one where a table is done. */
export function progressLines(write: (line: string) => void): ProgressDisplay {
  return metered(LINE_EVERY_MS, (progress) => write(progressText(progress)))
}

/** An event every second, and one where a table is done. */
export function progressEvents(write: (event: object) => void): ProgressDisplay {
  return metered(JSON_EVERY_MS, (progress) => write({ event: 'progress', ...progress }))
}

/** One line about a job, as it stands in a log. */
export function progressText(progress: OverallProgress): string {
  const { table, done, total } = progress
  return `${table}: ${grouped(done)} of ${grouped(total)} in all, ${speedText(progress)}`
}

/** The bar of a terminal: drawn on stderr, so that a redirected result stays clean. */
export function progressBar(stream: NodeJS.WriteStream): ProgressDisplay {
  const bars = loadBars()
  if (bars === null) return progressLines((line) => stream.write(`${line}\n`))
  const bar = new bars.SingleBar({
    ...{ stream, format: FORMAT, barCompleteChar: '█', barIncompleteChar: '░', barsize: 24 },
    ...{ hideCursor: true, clearOnComplete: true, gracefulExit: false },
  })
  const meter = new ProgressMeter()
  let begun = false
  return {
    update(progress) {
      const shown = meter.update(progress, performance.now())
      const { table, done, total } = shown
      const payload = {
        table,
        speed: speedText(shown),
        of: `${grouped(done)} of ${grouped(total)}`,
      }
      if (!begun) bar.start(total, done, payload)
      begun = true
      bar.setTotal(total)
      bar.update(done, payload)
    },
    end: () => bar.stop(),
  }
}

const FORMAT = '{table} {bar} {percentage} % | {of} | {speed}'

function speedText({ perSecond, secondsLeft }: OverallProgress): string {
  const left = secondsLeft === null ? 'time left unknown' : `${durationText(secondsLeft)} left`
  return `${grouped(Math.round(perSecond))}/s, ${left}`
}

function metered(everyMs: number, show: (progress: OverallProgress) => void): ProgressDisplay {
  const meter = new ProgressMeter()
  let shownAt = Number.NEGATIVE_INFINITY
  let last: OverallProgress | undefined
  return {
    update(progress) {
      const now = performance.now()
      const next = meter.update(progress, now)
      const known = last?.done === next.done && last.total === next.total
      if (known || (now - shownAt < everyMs && progress.done < progress.total)) return
      shownAt = now
      last = next
      show(next)
    },
    end: () => {},
  }
}

/** The part of cli-progress that is used here. */
interface Bars {
  SingleBar: new (options: object) => Bar
}

interface Bar {
  start(total: number, value: number, payload: object): void
  setTotal(total: number): void
  update(value: number, payload: object): void
  stop(): void
}

/** An optional peer: without it, lines take the place of the bar. */
function loadBars(): Bars | null {
  try {
    return require('cli-progress') as Bars
  } catch {
    return null
  }
}
