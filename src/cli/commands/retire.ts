import { type Command, InvalidArgumentError, Option } from 'commander'
import { type RetireReport, retire } from '../../rotation'
import { type ActorFlags, actorOptions } from '../actor'
import { defineCommand } from '../command'
import { confirm } from '../confirm'
import { EXIT } from '../exit-codes'
import { goneFieldOption, keyId, yesOption } from '../options'

interface Flags extends ActorFlags {
  readonly backupsKept: number
  readonly goneField?: readonly string[]
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** `mortise retire`. */
export const retireCommand: Command = defineCommand<'data', Flags>({
  name: 'retire',
  summary: 'destroy a key that nothing needs any more, not even a backup',
  description: [
    'Counts everything that needs the key: values, tokens, keys of subjects, indexes, unfinished jobs. Where nothing does, the key is disabled, and counted again once no process can be writing under it. It is destroyed by a visit that comes as many days later as backups are kept: run it again then, or every night.',
    'Cost: one or two passes over every encrypted table, inside the database; no provider is called.',
    'Disabling is undone by `mortise enable`, which also begins the time anew. Destroying cannot be undone: asks first. Keys of the KMS or HSM are not touched.',
  ],
  examples: [
    'mortise retire 0123456789abcdef -d src/data-source.ts --backups-kept 35 --dry-run',
    'mortise retire 0123456789abcdef -d src/data-source.ts --backups-kept 35 --yes',
  ],
  exits: { 3: 'disabled, and waiting until no backup can need it' },
  arguments: [['<key-id>', 'as `mortise keys` shows it', keyId]],
  options: [
    new Option('--backups-kept <days>', 'for how many days backups are kept; 0: there are none')
      .argParser(days)
      .makeOptionMandatory(),
    goneFieldOption(),
    new Option('--dry-run', 'say what would be done, and change nothing'),
    ...actorOptions(),
    yesOption(),
  ],
  needs: 'data',
  async run({ target, flags, words, output, signal }) {
    const id = String(words[0])
    const { backupsKept, goneField, dryRun, actor, reason, yes } = flags
    if (dryRun !== true) {
      await confirm({
        loss: `Key ${id} of domain ${target.keyring.domain} is disabled, and destroyed once no backup of the last ${backupsKept} days can need it. What it sealed, wherever a copy is, can then never be opened again.`,
        yes,
      })
    }
    const report = await retire(target.dataSource, {
      keyId: id,
      backupRetentionDays: backupsKept,
      goneFields: goneField,
      ...{ dryRun, actor, reason, signal },
    })
    output.result({ command: 'retire', ...report }, () => [reportText(report)])
    return report.outcome === 'waiting' ? EXIT.remains : EXIT.done
  },
})

function reportText({ keyId, outcome, destroyedAt, destroyableAt }: RetireReport): string {
  if (outcome === 'destroyed') return `Key ${keyId} was destroyed at ${destroyedAt}.`
  if (outcome === 'destroyable') return `Nothing needs key ${keyId}: it would be destroyed now.`
  return destroyableAt === null
    ? `Nothing needs key ${keyId}: it would be disabled now, and wait for its backups to expire.`
    : `Key ${keyId} is disabled and unused. Run this again at ${destroyableAt} or later.`
}

function days(text: string): number {
  if (/^[0-9]{1,5}(?:\.[0-9]+)?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a number of days from 0 on.')
}
