import type { Command } from 'commander'
import { type JobFailure, type RewrapReport, rewrap } from '../../rotation'
import { defineCommand } from '../command'
import { durationText } from '../duration'
import { EXIT } from '../exit-codes'
import { type JobFlags, jobOptions } from '../options'
import { counted, grouped, textTable } from '../text-table'

/** `mortise rewrap`. */
export const rewrapCommand: Command = defineCommand<'data', JobFlags>({
  name: 'rewrap',
  summary: 'move everything that is stored to the active key; decrypts nothing',
  description: [
    'Replaces key id and wrapped DEK of every envelope that is under an older key, 48 bytes each; subject keys move likewise. The application may go on reading and writing: a concurrent writer wins, and its row is counted as skipped where it held on to the end.',
    'Cost: one pass over every encrypted table, in short transactions; large values never leave the database. Provider calls only where a provider wraps each DEK itself.',
    'Needs no undoing: values stay what they are. Stopped at any point, run it again; what is moved is passed by.',
  ],
  examples: [
    'mortise rotate -d src/data-source.ts && mortise rewrap -d src/data-source.ts',
    'mortise rewrap --data-source src/data-source.ts --dry-run',
  ],
  exits: {
    3: 'some values were skipped (run it again) or cannot be moved (the output names them)',
  },
  options: jobOptions(),
  needs: 'data',
  async run({ target, flags, output, signal }) {
    const { batchSize, dryRun = false } = flags
    const progress = output.progress()
    const onProgress = progress.update
    const running = rewrap(target.dataSource, { batchSize, dryRun, signal, onProgress })
    const report = await running.finally(progress.end)
    output.result({ command: 'rewrap', dryRun, ...report }, () => reportText(report, dryRun))
    return report.skipped + report.failedCount === 0 ? EXIT.done : EXIT.remains
  },
})

const SHOWN_FAILURES = 20

function reportText(report: RewrapReport, dryRun: boolean): string[] {
  const { keyId, done, skipped, failedCount, failed, tables, seconds } = report
  const moved = dryRun ? 'would move' : 'moved'
  return [
    `${counted(done, 'value')} ${moved} to key ${keyId} in ${durationText(seconds)}`,
    ...textTable(
      ['table', dryRun ? 'would move' : 'moved', 'current', 'skipped', 'failed'],
      tables.map((one) => [one.table, one.done, one.current, one.skipped, one.failedCount]),
    ),
    ...(skipped > 0 ? ['Skipped values were being written by others: run it again.'] : []),
    ...failed.slice(0, SHOWN_FAILURES).map(failureText),
    ...(failedCount > SHOWN_FAILURES ? [`… ${grouped(failedCount)} failed in all`] : []),
  ]
}

function failureText({ table, column, primaryKey, code }: JobFailure): string {
  const key = Object.entries(primaryKey).map(([name, value]) => `${name}=${value}`)
  return `failed: ${table}.${column} where ${key.join(' and ')}: ${code}`
}
