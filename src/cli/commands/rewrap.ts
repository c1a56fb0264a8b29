import type { Command } from 'commander'
import { rewrap } from '../../rotation'
import { defineCommand } from '../command'
import { type JobFlags, jobExit, jobOptions, jobText, runJob } from '../job'

/** `mortise rewrap`. */
export const rewrapCommand: Command = defineCommand<'data', JobFlags>({
  name: 'rewrap',
  summary: 'move everything that is stored to the active key; decrypts nothing',
  description: [
    'Replaces key id and wrapped DEK of every envelope that is under an older key, 48 bytes each; subject keys move likewise. The application may go on reading and writing: a concurrent writer wins, and its row is counted as skipped where it held on to the end.',
    'Cost: one pass over every encrypted table, in short transactions; large values never leave the database. Provider calls only where a provider wraps each DEK itself.',
    'Needs no undoing: values stay what they are. Stopped or killed at any point, run it again: it goes on where it was. Several processes that run it share the work.',
  ],
  examples: [
    'mortise rotate -d src/data-source.ts && mortise rewrap -d src/data-source.ts',
    'mortise rewrap --data-source src/data-source.ts --dry-run',
    'mortise rewrap -d dist/data-source.js --workers 4 --rows-per-second 20000 --max-lag 5',
  ],
  exits: {
    3: 'some values were skipped (run it again) or cannot be moved (the output names them)',
  },
  options: jobOptions(),
  needs: 'data',
  async run(call) {
    const { output, flags } = call
    const { dryRun = false } = flags
    const report = await runJob(call, rewrap)
    output.result({ command: 'rewrap', dryRun, ...report }, () =>
      jobText(report, dryRun ? 'would move' : 'moved', ` to key ${report.keyId}`),
    )
    return jobExit(report)
  },
})
