import { type Command, InvalidArgumentError, Option } from 'commander'
import { defineCommand } from '../command'
import type { Finding, FindingStatus } from '../doctor/finding'
import { EXIT } from '../exit-codes'
import { counted } from '../text-table'

interface Flags {
  /** Of every command on data. */
  readonly dataSource: string
  readonly maxKeyAge: number
  readonly strict?: boolean
  readonly deep?: boolean
}

const YEAR_DAYS = 365
const PATIENCE_MS = 5_000

/** `mortise doctor`. */
export const doctorCommand: Command = defineCommand<'data', Flags>({
  name: 'doctor',
  summary: 'check the wiring: tables, schema, indexes, connection, server log, providers, keys',
  description: [
    'Checks that tables, columns, indexes and constraints are as the entities declare them, that values are envelopes with their index columns filled, that the connection is safe and the server log does not keep parameters, that providers answer and every key can be opened, that keys are not older than the policy, and that jobs and history are in order. Every finding has a fix that can be pasted.',
    'Cost: some statements on the catalogue, a look at the rows of each table that takes 5 seconds at most, two calls of each provider. With --deep whole tables are read, with no limit.',
    'Changes nothing: its statements run in read-only transactions.',
  ],
  examples: [
    'mortise doctor --data-source src/data-source.ts',
    'mortise doctor -d dist/data-source.js --strict --max-key-age 90d --quiet || exit 1',
    "mortise doctor -d dist/data-source.js --json | jq -r '.findings[] | select(.fix) | .fix'",
  ],
  exits: { 4: 'a problem was found; with --strict also a warning' },
  options: [
    new Option('--max-key-age <days>', 'policy for the active data key, such as 90d')
      .argParser(days)
      .default(YEAR_DAYS, '365d'),
    new Option('--strict', 'let warnings count as well'),
    new Option('--deep', 'read whole tables, and count the values under each key'),
  ],
  needs: 'data',
  async run({ target, flags, output, signal }) {
    const { maxKeyAge: maxKeyAgeDays, deep = false, strict = false } = flags
    // Loaded here: it needs the project's TypeORM, which other commands do without.
    const { examine }: typeof import('../doctor/doctor') = require('../doctor/doctor')
    const dataSource = target.dataSource as unknown as Parameters<typeof examine>[0]
    const options = { maxKeyAgeDays, deep, patienceMs: PATIENCE_MS, signal }
    const findings = (await examine(dataSource, options)).map((finding) => {
      return withFile(finding, flags.dataSource)
    })
    const counts = countsOf(findings)
    output.result({ command: 'doctor', counts, findings }, () => reportText(findings, counts))
    return counts.problem + (strict ? counts.warning : 0) > 0 ? EXIT.no : EXIT.done
  },
})

function days(text: string): number {
  const [, number] = /^([1-9][0-9]{0,4})d?$/.exec(text) ?? []
  if (number !== undefined) return Number(number)
  throw new InvalidArgumentError('It must be a number of days, such as 90d.')
}

/** Commands in a fix are meant to be pasted. */
function withFile(finding: Finding, file: string): Finding {
  const { fix } = finding
  return { ...finding, fix: fix?.replaceAll('--data-source FILE', `--data-source ${file}`) ?? null }
}

type Counts = Readonly<Record<FindingStatus, number>>

function countsOf(findings: readonly Finding[]): Counts {
  const count = (status: FindingStatus): number =>
    findings.filter((finding) => finding.status === status).length
  return {
    ...{ problem: count('problem'), warning: count('warning') },
    ...{ skipped: count('skipped'), ok: count('ok') },
  }
}

function reportText(findings: readonly Finding[], counts: Counts): string[] {
  const { problem, warning, skipped } = counts
  return [
    ...findings.flatMap(findingText),
    '',
    `${counted(problem, 'problem')}, ${counted(warning, 'warning')}, ${skipped} skipped, ${counts.ok} ok`,
  ]
}

function findingText({ check, status, subject, finding, fix }: Finding): string[] {
  const lines = fix?.split('\n').map((line) => `           ${line}`) ?? []
  const about = subject === check ? check : `${check}: ${subject}`
  return [`${status.padEnd(7)}  ${about}: ${finding}`, ...lines]
}
