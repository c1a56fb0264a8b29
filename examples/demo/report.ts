import * as terminal from './terminal'

/** A statement that was checked. */
export interface Check {
  readonly what: string
  readonly ok: boolean
  /** What was seen: a count, an error code and its message. */
  readonly detail: string
}

/** A table of text. */
export interface Table {
  readonly headings: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** One part of the demo: what it shows, and what it proves. */
interface Scene {
  readonly title: string
  readonly text: string
  readonly tables: Table[]
  readonly listings: Listing[]
  readonly checks: Check[]
}

/** Code, as the application writes it or as the database gets it. */
interface Listing {
  readonly label: string
  readonly lines: readonly string[]
}

/** What the demo tells: at once on a terminal, or as one JSON document in the end. */
export interface Report {
  scene(title: string, text: string): void
  table(headings: readonly string[], rows: Table['rows']): void
  listing(label: string, lines: readonly string[]): void
  check(what: string, ok: boolean, detail: string): void
  progress(label: string, done: number, total: number): void
  /** @returns true if every check held, and there was one */
  finish(): boolean
}

export function createReport(json: boolean): Report {
  const started = performance.now()
  const scenes: Scene[] = []
  const current = (): Scene => scenes.at(-1)!
  const show = (text: string): void => {
    if (!json) process.stdout.write(text)
  }
  return {
    scene: (title, text) => {
      scenes.push({ title, text, tables: [], listings: [], checks: [] })
      show(terminal.scene(scenes.length, title, text))
    },
    table: (headings, rows) => {
      current().tables.push({ headings, rows })
      show(terminal.table({ headings, rows }))
    },
    listing: (label, lines) => {
      current().listings.push({ label, lines })
      show(terminal.listing(label, lines))
    },
    check: (what, ok, detail) => {
      current().checks.push({ what, ok, detail })
      show(terminal.check({ what, ok, detail }))
    },
    progress: (label, done, total) => show(terminal.progress(label, done, total)),
    finish: () => {
      const checks = scenes.flatMap((scene) => scene.checks)
      const failed = checks.filter(({ ok }) => !ok).length
      const passed = checks.length - failed
      const ok = passed > 0 && failed === 0
      const seconds = Number(((performance.now() - started) / 1000).toFixed(2))
      if (json) console.log(JSON.stringify({ ok, passed, failed, seconds, scenes }, null, 2))
      show(terminal.summary(passed, failed, seconds))
      return ok
    },
  }
}
