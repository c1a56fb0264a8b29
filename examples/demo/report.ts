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

/** Code and answers, each with a label, in one block. */
export type Listing = readonly { readonly label: string; readonly lines: readonly string[] }[]

type Item = { table: Table } | { listing: Listing } | { check: Check }

/** One part of the demo: what it shows, and what it proves, in this order. */
interface Scene {
  readonly title: string
  readonly text: string
  readonly items: Item[]
}

/** What the demo tells: at once on a terminal, or as one JSON document in the end. */
export interface Report {
  scene(title: string, text: string): void
  table(headings: Table['headings'], rows: Table['rows']): void
  listing(listing: Listing): void
  check(what: string, ok: boolean, detail: string): void
  /** Not part of the document. */
  progress(label: string, done: number, total: number): void
  /** @returns true if every check held, and there was one */
  finish(): boolean
}

export function createReport({ json }: { json: boolean }): Report {
  const started = performance.now()
  const scenes: Scene[] = []
  let shownShare = 0
  const show = (text: string): void => {
    if (!json) process.stdout.write(text)
  }
  const add = (item: Item, text: string): void => {
    scenes.at(-1)?.items.push(item)
    show(text)
  }
  return {
    scene: (title, text) => {
      scenes.push({ title, text, items: [] })
      show(terminal.scene(scenes.length, title, text))
    },
    table: (headings, rows) => add({ table: { headings, rows } }, terminal.table(headings, rows)),
    listing: (listing) => add({ listing }, terminal.listing(listing)),
    check: (what, ok, detail) => {
      const check = { what, ok, detail }
      add({ check }, terminal.check(check))
    },
    progress: (label, done, total) => {
      const share = total === 0 ? 1 : done / total
      // A job may tell its end twice: with its last page and by itself.
      if (share < 1 || shownShare < 1) show(terminal.progress(label, share, `${done}/${total}`))
      shownShare = share
    },
    finish: () => {
      const checks = scenes.flatMap(({ items }) => items.filter((item) => 'check' in item))
      const passed = checks.filter(({ check }) => check.ok).length
      const failed = checks.length - passed
      const ok = passed > 0 && failed === 0
      const seconds = Math.round(performance.now() - started) / 1000
      if (json) console.log(JSON.stringify({ ok, passed, failed, seconds, scenes }, null, 2))
      show(terminal.summary(passed, failed, seconds))
      return ok
    },
  }
}
