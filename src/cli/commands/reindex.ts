import { type Command, Option } from 'commander'
import { type ReindexReport, reindex } from '../../rotation'
import { defineCommand } from '../command'
import { confirm } from '../confirm'
import { EXIT } from '../exit-codes'
import { type JobFlags, jobOptions, jobText, runJob } from '../job'
import { yesOption } from '../options'
import { textTable } from '../text-table'

interface Flags extends JobFlags {
  readonly field?: readonly string[]
  readonly contract?: boolean
  readonly abandon?: boolean
  readonly yes?: boolean
}

/** `mortise reindex`. */
export const reindexCommand: Command = defineCommand<'data', Flags>({
  name: 'reindex',
  summary: 'change the indexes of fields that declare `next`, while the application runs',
  description: [
    'Computes the new tokens and buckets of every value, compares each once more, and has the new index asked; with --contract it goes on to where the former index is gone. Says what is to be deployed next. Every instance that writes these fields must declare `next` before it begins.',
    'Cost: two passes over the tables that open every value, and two more with --contract; between the steps it waits for other processes, twice their epoch poll (5 seconds unless set).',
    'Can be undone by --abandon until --contract, which asks first. Stopped at any point, run it again.',
  ],
  examples: [
    'mortise reindex -d src/data-source.ts --workers 2',
    'mortise reindex -d src/data-source.ts --field Patient.email --contract',
    'mortise reindex -d src/data-source.ts --abandon',
  ],
  exits: {
    3: 'values failed or were skipped: the new index is not asked, the output names them',
  },
  options: [
    new Option('--field <property...>', 'Entity.property; all that declare `next` unless given'),
    new Option('--contract', 'go on to where the former index is gone'),
    new Option('--abandon', 'go back to the former index').conflicts(['contract', 'dryRun']),
    ...jobOptions(),
    yesOption(),
  ],
  needs: 'data',
  async run(call) {
    const { output, flags } = call
    const { field: fields, contract, abandon, dryRun = false, yes } = flags
    if (contract && !dryRun) {
      const which = fields?.join(', ') ?? 'every field that declares next'
      const loss = `The former index of ${which} is given up: there is no way back, and instances of the application that do not declare next can use it no more.`
      await confirm({ loss, yes })
    }
    const report = await runJob(call, (dataSource, options) =>
      reindex(dataSource, { ...options, fields, contract, abandon }),
    )
    output.result({ command: 'reindex', dryRun, ...report }, () => reportText(report))
    return report.complete ? EXIT.done : EXIT.remains
  },
})

function reportText({ fields, jobs, next }: ReindexReport): string[] {
  return [
    ...jobs.flatMap((job) => jobText(job, 'done', ` by ${job.step}`)),
    ...textTable(
      ['property', 'state', 'generation', 'index key'],
      fields.map((one) => [one.field, one.state, one.generation, one.keyId ?? '']),
    ),
    `Next: ${next}.`,
  ]
}
