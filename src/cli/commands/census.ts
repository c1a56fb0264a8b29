import { type Command, Option } from 'commander'
import { type CensusRow, census, mayRetire } from '../../rotation'
import { defineCommand } from '../command'
import { EXIT, type ExitCode } from '../exit-codes'
import { goneFieldOption, keyId } from '../options'
import type { Output } from '../output'
import { grouped, textTable } from '../text-table'

interface Flags {
  readonly key?: string
  readonly goneField?: readonly string[]
}

/** `mortise census`. */
export const censusCommand: Command = defineCommand<'data', Flags>({
  name: 'census',
  summary: 'count what is stored by the key that it needs',
  description: [
    'Counts every encrypted value by table, column, key and format, and every index token by generation, without opening any. With --key it answers one question by its exit code: does nothing in this database need the key any more, no value, token, subject key, index or unfinished job?',
    'Cost: one pass over every encrypted table, inside the database; no provider is called.',
    'Changes nothing. It is a snapshot: other processes seal under the previous key until their epoch poll, and it sees neither backups nor other databases.',
  ],
  examples: [
    'mortise census --data-source src/data-source.ts',
    'mortise census -d src/data-source.ts --key 0123456789abcdef --quiet && echo unused',
  ],
  exits: { 4: 'with --key: something needs it' },
  options: [new Option('--key <id>', 'ask about one key').argParser(keyId), goneFieldOption()],
  needs: 'data',
  async run({ target, flags, output }) {
    const { key, goneField } = flags
    if (key !== undefined) return askAbout(target.dataSource, key, goneField, output)
    const rows = await census(target.dataSource)
    output.result({ command: 'census', rows }, () => textTable(HEAD, rows.map(cellsOf)))
    return EXIT.done
  },
})

async function askAbout(
  dataSource: object,
  key: string,
  goneFields: readonly string[] | undefined,
  output: Output,
): Promise<ExitCode> {
  const { retirable: unused, ...report } = await mayRetire(dataSource, { keyId: key, goneFields })
  const count = report.needs.reduce((sum, need) => sum + need.count, 0)
  output.result({ command: 'census', ...report, count, unused }, () => [
    `${report.purpose} key ${key} (version ${report.version}) is ${report.state}; ${unused ? 'nothing here needs it' : 'it is needed by'}`,
    ...report.needs.map((need) => `  ${need.place}: ${grouped(need.count)} ${need.what}`),
  ])
  return unused ? EXIT.done : EXIT.no
}

const HEAD = ['table', 'column', 'key', 'version', 'state', 'format', 'generation', 'count']

function cellsOf(row: CensusRow): (string | number)[] {
  const { table, column, keyId, subject, keyVersion, state, count } = row
  const [format, generation] = [row.format, row.generation].map((one) => `${one ?? ''}`)
  const unknown = row.generation === null ? 'no envelope' : 'no index record'
  const key = subject ? 'of subjects' : (keyId ?? unknown)
  const version = `${keyVersion ?? ''}`
  return [table, column, key, version, state ?? '', String(format), String(generation), count]
}
