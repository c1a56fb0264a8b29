import type { World } from './world'

/**
 * A row of docs/support-matrix.md, and the test that backs it.
 *
 * To add one: put it into the file of its section, run
 * `UPDATE_SUPPORT_MATRIX=1 npx vitest run --project typeorm-1 test/integration/support-matrix`, and commit
 * the page with it.
 */
export interface Row {
  readonly entryPoint: string
  readonly outcome: Outcome
  /** The second half of the page's line: a condition, or the fix of a refusal. */
  readonly note: string
  run(world: World): Promise<unknown>
}

export type Outcome = 'supported' | 'ciphertext' | { readonly refused: string }

/** A part of the page. */
export interface Section {
  readonly title: string
  readonly rows: readonly Row[]
}

type Run = Row['run']

/** Works on encrypted properties as on plain ones. `run` asserts it. */
export function supported(entryPoint: string, run: Run, note = ''): Row {
  return { entryPoint, outcome: 'supported', note, run }
}

/** Gives what the database holds, by design. `run` asserts it. */
export function ciphertext(entryPoint: string, run: Run, note = ''): Row {
  return { entryPoint, outcome: 'ciphertext', note, run }
}

/** Throws the typed error before anything is answered or written. */
export function refused(entryPoint: string, code: string, run: Run, note: string): Row {
  return { entryPoint, outcome: { refused: code }, note, run }
}

const HEAD = `# Support matrix

What every entry point of TypeORM does with encrypted properties. Each line is a test of the same name, run against PostgreSQL on typeorm 1.1 and on the newest 0.3; this page is written by those tests and compared with them.

- **supported**: as on plain properties.
- **refused**: the error named, before anything is answered or written, with \`Entity.property\` and the fix in its message.
- **ciphertext**: envelopes as the database holds them, by design; [open them](how-to/raw-sql.md) where they are needed.

SQL text, operator by operator: [query builders](how-to/query-builders.md). Platforms of the native path: [performance](performance.md#the-native-path). The driver is \`pg\`; \`pg-native\`, which TypeORM takes where it is installed, does not send bytes as they are and is refused at start (\`ERR_CONFIG\`).
`

/** The page, as the rows say. */
export function renderMatrix(sections: readonly Section[]): string {
  const parts = sections.map(({ title, rows }) =>
    [
      `## ${title}`,
      '',
      '| Entry point | Outcome | |',
      '|---|---|---|',
      ...rows.map(
        (row) => `| ${[row.entryPoint, outcomeText(row.outcome), row.note].join(' | ')} |`,
      ),
    ].join('\n'),
  )
  return `${[HEAD.trimEnd(), ...parts].join('\n\n')}\n`
}

function outcomeText(outcome: Outcome): string {
  return typeof outcome === 'string' ? outcome : `refused: \`${outcome.refused}\``
}
