import { type Command, Option } from 'commander'
import type { KeyPurpose } from '../../providers/provider'
import { rotateKek } from '../../rotation'
import { type ActorFlags, actorOptions } from '../actor'
import { defineCommand } from '../command'
import { EXIT } from '../exit-codes'

interface Flags extends ActorFlags {
  readonly purpose: KeyPurpose
}

/** `mortise rotate`. */
export const rotateCommand: Command = defineCommand<'keys', Flags>({
  name: 'rotate',
  summary: 'make a new key the active one; no data is touched',
  description: [
    'Makes a new KEK and has everything that is written from now on sealed under it. What the previous key sealed stays readable; `mortise rewrap` moves it.',
    'Cost: a handful of provider calls, whatever the amount of data. Other processes follow within their epoch poll (5 seconds unless set).',
    'Cannot be undone, and need not be: the previous key goes on opening what it sealed.',
  ],
  examples: [
    'mortise rotate --data-source src/data-source.ts',
    'MORTISE_KEY_PROVIDERS=aws-kms:alias/patients MORTISE_KEY_STORE=file:keys.json mortise rotate',
  ],
  options: [
    new Option('--purpose <purpose>', 'data seals values; index is for the next reindex')
      .choices(['data', 'index'])
      .default('data'),
    ...actorOptions(),
  ],
  needs: 'keys',
  async run({ target, flags, output }) {
    const { purpose, actor, reason } = flags
    const result = await rotateKek(target.keyring, { purpose, actor, reason })
    const { keyId, version, previousKeyId } = result
    output.result({ command: 'rotate', purpose, ...result }, () => [
      `${purpose} key ${keyId} (version ${version}) is the active one now.`,
      ...(previousKeyId === null ? [] : [`Key ${previousKeyId} opens what it sealed.`]),
    ])
    return EXIT.done
  },
})
