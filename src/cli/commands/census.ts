import { type Command, Option } from 'commander'
import { MortiseError } from '../../errors'
import { type CensusRow, census } from '../../rotation'
import { defineCommand } from '../command'
import { EXIT } from '../exit-codes'
import { keyId } from '../options'
import { counted, textTable } from '../text-table'

interface Flags {
  readonly key?: string
}

/** `mortise census`. */
export const censusCommand: Command = defineCommand<'data', Flags>({
  name: 'census',
  summary: 'count the stored values by the key that seals them',
  description: [
    'Counts every encrypted value by table, column, key and format, without opening any. With --key it answers one question by its exit code: does nothing in this database need the key any more?',
    'Cost: one pass over every encrypted table, inside the database; no provider is called.',
    'Changes nothing. It is a snapshot: other processes seal under the previous key until their epoch poll, and it sees neither backups nor other databases.',
  ],
  examples: [
    'mortise census --data-source src/data-source.ts',
    'mortise census -d src/data-source.ts --key 0123456789abcdef --quiet && echo unused',
  ],
  exits: { 4: 'with --key: the key is active, or values are under it' },
  options: [new Option('--key <id>', 'ask about one key').argParser(keyId)],
  needs: 'data',
  async run({ target, flags, output }) {
    const { key } = flags
    const state = key === undefined ? null : await stateOf(target.keyring, key)
    const all = await census(target.dataSource)
    const rows = key === undefined ? all : all.filter((row) => row.keyId === key)
    if (key === undefined) {
      output.result({ command: 'census', rows }, () => textTable(HEAD, rows.map(cellsOf)))
      return EXIT.done
    }
    const count = rows.reduce((sum, row) => sum + row.count, 0)
    const unused = count === 0 && state !== 'active'
    output.result({ command: 'census', keyId: key, state, count, unused, rows }, () => [
      `key ${key} is ${state} and seals ${counted(count, 'value')} here`,
      ...(rows.length === 0 ? [] : textTable(HEAD, rows.map(cellsOf))),
    ])
    return unused ? EXIT.done : EXIT.no
  },
})

const HEAD = ['table', 'column', 'key', 'version', 'state', 'format', 'values']

function cellsOf(row: CensusRow): (string | number)[] {
  const { table, column, keyId, subject, keyVersion, state, format, count } = row
  const key = subject ? 'of subjects' : (keyId ?? 'no envelope')
  return [table, column, key, `${keyVersion ?? ''}`, state ?? '', `${format ?? ''}`, count]
}

async function stateOf(
  keyring: { keys(): Promise<readonly { id: string; state: string }[]> },
  id: string,
): Promise<string> {
  const key = (await keyring.keys()).find((one) => one.id === id)
  if (key !== undefined) return key.state
  throw new MortiseError('ERR_KEY_NOT_FOUND', `there is no key ${id}; see mortise keys`)
}
