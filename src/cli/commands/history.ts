import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  type HistoryEntry,
  type HistoryHead,
  type HistoryVerification,
  history,
  verifyHistory,
} from '../../rotation'
import { defineCommand } from '../command'
import { EXIT } from '../exit-codes'
import { counted, textTable } from '../text-table'

interface Flags {
  readonly verify?: boolean
  readonly expect?: HistoryHead
  readonly after?: number
}

/** `mortise history`. */
export const historyCommand: Command = defineCommand<'keys', Flags>({
  name: 'history',
  summary: 'show what was done with keys and values, or check that the record holds',
  description: [
    'Lists every operation of the domain: when it began and ended, by whom, on which keys, with what counts. With --verify it computes the chain of checksums anew and names the first record that was changed, removed or moved.',
    'The chain does not show that its end was cut off, or that all of it was written anew by somebody who may write the table: keep the head that --verify prints where that person cannot reach it, and give it with --expect the next time.',
    'Cost: reads the history. Changes nothing.',
  ],
  examples: [
    'mortise history -d src/data-source.ts',
    'mortise history -d src/data-source.ts --verify --expect 57:3f0c…',
  ],
  exits: { 4: 'with --verify: the chain does not hold' },
  options: [
    new Option('--after <number>', 'only records behind this number')
      .argParser(wholeNumber)
      // A chain is verified from its beginning.
      .conflicts(['verify', 'expect']),
    new Option('--verify', 'check the chain instead of listing it'),
    new Option('--expect <head>', 'with --verify: a head that was kept, NUMBER:CHECKSUM').argParser(
      head,
    ),
  ],
  needs: 'keys',
  async run({ target, flags, output }) {
    const { after, verify = false, expect } = flags
    if (!verify && expect === undefined) {
      const entries = await history(target.keyring, { after })
      output.result({ command: 'history', entries }, () => textTable(HEAD, entries.map(cellsOf)))
      return EXIT.done
    }
    const report = await verifyHistory(target.keyring, { expectedHead: expect })
    output.result({ command: 'history', ...report }, () => verdict(report))
    return report.holds ? EXIT.done : EXIT.no
  },
})

const HEAD = ['no', 'time', 'operation', 'verb', 'outcome', 'keys', 'counts', 'actor', 'reason']

function cellsOf(entry: HistoryEntry): (string | number)[] {
  const { sequence, beganAt, endedAt, operation, verb, outcome, keyIds, counts } = entry
  const [first = '', ...others] = keyIds
  const keys = others.length === 0 ? first : `${first} +${others.length}`
  const amounts = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
  const what = [endedAt ?? beganAt, operation, verb, outcome ?? 'begun', keys, amounts.join(', ')]
  return [sequence, ...what, entry.actor, entry.reason]
}

function verdict({ holds, broken, head, unfinished }: HistoryVerification): string[] {
  const found = holds
    ? `The chain holds: ${counted(head.sequence, 'record')}.`
    : `Record ${broken?.sequence} is ${broken?.problem}: the chain holds up to record ${head.sequence} only.`
  const open = unfinished.map(
    ({ verb, operation, beganAt }) => `no end is recorded: ${verb} ${operation}, begun ${beganAt}`,
  )
  return [found, `Head, to be kept elsewhere: ${head.sequence}:${head.checksum}`, ...open]
}

function wholeNumber(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 0 on.')
}

function head(text: string): HistoryHead {
  const [, sequence, checksum] = /^([0-9]{1,9}):([0-9a-f]{64})$/.exec(text) ?? []
  if (sequence !== undefined && checksum !== undefined) {
    return { sequence: Number(sequence), checksum }
  }
  throw new InvalidArgumentError('It must be NUMBER:CHECKSUM as --verify prints it.')
}
