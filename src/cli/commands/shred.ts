import { writeFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { type ShredCertificate, shred } from '../../rotation'
import { type ActorFlags, actorOptions } from '../actor'
import { defineCommand } from '../command'
import { confirm } from '../confirm'
import { EXIT } from '../exit-codes'
import { yesOption } from '../options'
import { readStdin } from '../standard-input'
import { counted } from '../text-table'

interface Flags extends ActorFlags {
  readonly certificate?: string
  readonly yes?: boolean
}

/** `mortise shred`. */
export const shredCommand: Command = defineCommand<'data', Flags>({
  name: 'shred',
  summary: 'destroy the key of a data subject, and with it all that it sealed',
  description: [
    "Sets the index columns of the subject's rows to NULL, then destroys its key: every value that was sealed under it is unreadable from then on, in replicas and in backups of the data as well. Prints a certificate to keep: it is what is replayed after a restore of the key store.",
    'Cost: one pass over each table that has index columns with this subject; no provider is called.',
    'Cannot be undone. Asks first. Interrupted, run it again; run it again after the epoch poll of the other processes (5 seconds unless set) too.',
  ],
  examples: [
    "mortise shred 4711 -d src/data-source.ts --actor 'privacy desk' --reason 'request 2026-117'",
    'echo "$SUBJECT" | mortise shred - -d src/data-source.ts --yes --certificate erased.json',
  ],
  arguments: [
    ['<subject>', 'value of the subject property; - reads it from standard input (then --yes)'],
  ],
  options: [
    ...actorOptions(),
    new Option('--certificate <file>', 'write the certificate to a new file as well'),
    yesOption(),
  ],
  needs: 'data',
  async run({ target, flags, words, output }) {
    const { actor, reason, certificate: file, yes } = flags
    const [word = ''] = words
    const subject = word === '-' ? (await readStdin()).toString('utf8').trim() : word
    await confirm({
      loss: `This destroys the key of subject ${subject} in domain ${target.keyring.domain}. Everything sealed under it becomes unreadable for ever: here, in replicas and in backups of the data.`,
      yes,
    })
    const certificate = await shred(target.dataSource, { subject, actor, reason })
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(certificate)}\n`, { flag: 'wx' })
    output.result({ command: 'shred', certificate }, () => certificateText(certificate))
    return EXIT.done
  },
})

function certificateText(certificate: ShredCertificate): string[] {
  const { keys, tables } = certificate
  return [
    keys.length === 0
      ? 'No key and no row of this subject was found: nothing was destroyed.'
      : `${counted(keys.length, 'key')} destroyed: ${keys.map(({ id }) => id).join(', ')}`,
    ...tables.map(
      (one) => `index columns emptied: ${one.table}, ${counted(one.clearedRows, 'row')}`,
    ),
    'Keep this certificate:',
    JSON.stringify(certificate),
  ]
}
