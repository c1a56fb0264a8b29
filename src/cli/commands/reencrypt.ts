import { type Command, Option } from 'commander'
import { type ReencryptReport, reencrypt } from '../../rotation'
import { defineCommand } from '../command'
import { type JobFlags, jobExit, jobOptions, jobText, runJob } from '../job'
import { keyId } from '../options'

interface Flags extends JobFlags {
  readonly key?: readonly string[]
}

/** `mortise reencrypt`. */
export const reencryptCommand: Command = defineCommand<'data', Flags>({
  name: 'reencrypt',
  summary: 'open every value and seal it again: after a compromise, or a changed declaration',
  description: [
    'Seals values anew under the active key, with a fresh DEK that the fields of a row share, as their fields are declared now. After the compromise of a key run `mortise rotate` first. Index columns stay as they are; the keys of subjects too.',
    'Cost: everything that is stored is read, opened, sealed and written, in short transactions; a worker holds a small multiple of 16 MiB and of its largest row. The application may go on reading and writing, unless row binding or subject of a field changed.',
    'Stopped or killed at any point, run it again: it goes on where it was. Run again after its end it does everything once more, unless --key names keys that are no longer active.',
  ],
  examples: [
    'mortise rotate -d src/data-source.ts && mortise reencrypt -d src/data-source.ts',
    'mortise reencrypt -d src/data-source.ts --key 0123456789abcdef --workers 4',
  ],
  exits: {
    3: 'some values were skipped, do not open or cannot be sealed (the output names them): --retry',
  },
  options: [
    new Option(
      '--key <key-id>',
      'only values under this key; may be given several times',
    ).argParser((text: string, before: readonly string[] = []) => [...before, keyId(text)]),
    ...jobOptions(),
  ],
  needs: 'data',
  async run(call) {
    const { output, flags } = call
    const { dryRun = false, key: keyIds } = flags
    const report = await runJob(call, (dataSource, options) =>
      reencrypt(dataSource, { ...options, keyIds }),
    )
    output.result({ command: 'reencrypt', dryRun, ...report }, () => reportText(report, dryRun))
    return jobExit(report)
  },
})

function reportText(report: ReencryptReport, dryRun: boolean): string[] {
  const { keyId: active, subjectFields } = report
  return [
    ...jobText(report, dryRun ? 'would be sealed' : 'sealed', ` again under key ${active}`),
    ...(subjectFields.length === 0
      ? []
      : [`Under the keys of their subjects, which stay the same: ${subjectFields.join(', ')}.`]),
  ]
}
