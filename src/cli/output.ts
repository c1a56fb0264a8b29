import {
  noProgress,
  type ProgressDisplay,
  progressBar,
  progressEvents,
  progressLines,
} from './progress'

/** How a command talks: results on stdout, everything else on stderr. */
export interface Output {
  readonly json: boolean
  /** The one result: a JSON object on a line, or lines of text. */
  result(report: object, lines: () => readonly string[]): void
  /** Something that a person wants to know, and a script does not. */
  note(line: string): void
  /** The same while a bar may stand on the line. */
  interrupt(line: string): void
  /** Why the command failed: always shown. */
  problem(line: string, event: object): void
  /** Shows the progress of one job. */
  progress(): ProgressDisplay
  /** Waits until everything is written. */
  flush(): Promise<void>
}

/** Who is to read the output. */
export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
}

/**
 * Makes the output of one command.
 *
 * With `json` it takes stdout for itself: what the project's modules print there (a banner, a log
 * line) goes to stderr, so that every line on stdout is an object.
 */
export function createOutput({ json, quiet }: OutputOptions): Output {
  const { stdout, stderr } = process
  const write = stdout.write.bind(stdout)
  if (json) stdout.write = stderr.write.bind(stderr)
  const event = (object: object): void => void write(`${JSON.stringify(object)}\n`)
  const line = (text: string): void => void stderr.write(`${text}\n`)
  return {
    json,
    result(report, lines) {
      if (json) event({ event: 'result', ...report })
      else if (!quiet) write(lines().join('\n').concat('\n'))
    },
    note: (text) => {
      if (!quiet) line(text)
    },
    interrupt: (text) => {
      if (!quiet) line(stderr.isTTY ? `\n${text}` : text)
    },
    problem(text, object) {
      if (json) event({ event: 'error', ...object })
      line(text)
    },
    progress() {
      if (json) return progressEvents(event)
      if (quiet) return noProgress
      return stderr.isTTY ? progressBar(stderr) : progressLines(line)
    },
    async flush() {
      for (const end of [write, stderr.write.bind(stderr)]) {
        await new Promise<void>((resolve) => end('', () => resolve()))
      }
    },
  }
}
