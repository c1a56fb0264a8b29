import { type Command, Option } from 'commander'
import { verify } from '../../rotation'
import { defineCommand } from '../command'
import { EXIT } from '../exit-codes'
import { type JobFlags, jobExit, jobOptions, jobText, runJob } from '../job'

interface Flags extends JobFlags {
  readonly open?: boolean
}

/** `mortise verify`. */
export const verifyCommand: Command = defineCommand<'data', Flags>({
  name: 'verify',
  summary: 'show that every stored value can be read; --open decrypts all of them',
  description: [
    'Unwraps the DEK of every value and verifies its commitment. With --open every value is decrypted as well, and its tokens and buckets are made anew and compared with what is stored. Changes nothing, except for the record of the job.',
    'Cost: some 100 bytes of each value; with --open everything that is stored. Provider calls for each record only where a provider wraps each DEK itself.',
    'Stopped or killed, run it again: it goes on where it was.',
  ],
  examples: [
    'mortise verify -d src/data-source.ts',
    'mortise verify -d dist/data-source.js --open --workers 4 --rows-per-second 5000',
  ],
  exits: { 4: 'something cannot be read, or is not what its index says; the output names it' },
  options: [
    new Option('--open', 'decrypt every value, and compare its index columns'),
    ...jobOptions().filter(({ long }) => long !== '--dry-run'),
  ],
  needs: 'data',
  async run(call) {
    const { output, flags } = call
    const { open = false } = flags
    const report = await runJob(call, (dataSource, options) =>
      verify(dataSource, { ...options, open }),
    )
    const done = open ? 'opened' : 'verified'
    output.result({ command: 'verify', open, ...report }, () => jobText(report, done))
    return report.failedCount === 0 ? jobExit(report) : EXIT.no
  },
})
