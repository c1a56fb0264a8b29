import { type Command, Option } from 'commander'
import { rotateRoot, type SkippedKey } from '../../rotation'
import { type ActorFlags, actorOptions } from '../actor'
import { defineCommand } from '../command'
import { EXIT } from '../exit-codes'
import { counted } from '../text-table'

interface Flags extends ActorFlags {
  readonly from?: string
  readonly to?: string
}

/** `mortise rotate-root`. */
export const rotateRootCommand: Command = defineCommand<'keys', Flags>({
  name: 'rotate-root',
  summary: 'wrap every KEK anew, by the same provider or by another one',
  description: [
    'Wraps every KEK under the present root key of a provider. KEKs, DEKs and rows stay as they are. With --from and --to it adds the wraps of a second provider, whose wraps stand beside the old ones until `mortise drop-provider` takes those away.',
    'Cost: a few provider calls for each key, whatever the amount of data. May be run again at any time.',
    'Nothing is lost by it: each new wrap is opened and compared before it is stored.',
  ],
  examples: [
    'mortise rotate-root --data-source src/data-source.ts',
    'mortise rotate-root -d src/data-source.ts --from in-app:main --to aws-kms:arn:aws:kms:…',
  ],
  exits: { 3: 'keys were skipped: the output names them' },
  options: [
    new Option('--from <uri>', 'provider whose wraps are wrapped anew (default: the one of --to)'),
    new Option('--to <uri>', 'provider that wraps (default: the first one of the keyring)'),
    ...actorOptions(),
  ],
  needs: 'keys',
  async run({ target, flags, output }) {
    const { from, to, actor, reason } = flags
    const report = await rotateRoot(target.keyring, { from, to, actor, reason })
    output.result({ command: 'rotate-root', ...report }, () => [
      `${counted(report.rewrapped.length, 'key')} wrapped by ${report.to}: ${report.rewrapped.join(', ') || 'none'}`,
      ...report.skipped.map(skippedText),
    ])
    return report.skipped.length === 0 ? EXIT.done : EXIT.remains
  },
})

function skippedText({ keyId, reason }: SkippedKey): string {
  return `skipped: key ${keyId} ${reason}`
}
