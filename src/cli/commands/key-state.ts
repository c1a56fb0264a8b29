import type { Command } from 'commander'
import { disableKey, enableKey } from '../../rotation'
import { type ActorFlags, actorOptions } from '../actor'
import { type CommandArgument, defineCommand } from '../command'
import { confirm } from '../confirm'
import { EXIT } from '../exit-codes'
import { keyId, yesOption } from '../options'

interface Flags extends ActorFlags {
  readonly yes?: boolean
}

const KEY: CommandArgument = ['<key-id>', 'as `mortise keys` shows it', keyId]

/** `mortise disable`. */
export const disableCommand: Command = defineCommand<'keys', Flags>({
  name: 'disable',
  summary: 'make a key unusable until it is enabled again',
  description: [
    'What the key sealed cannot be opened any more, in any process, within its epoch poll (5 seconds unless set); searches by the tokens of an index key fail. Nothing is deleted. The active key is refused: rotate first.',
    'Cost: one write to the key store.',
    'Asks first. Undone by `mortise enable`: the way to find out whether a key is still needed.',
  ],
  examples: ['mortise disable 0123456789abcdef --data-source src/data-source.ts --yes'],
  arguments: [KEY],
  options: [...actorOptions(), yesOption()],
  needs: 'keys',
  async run({ target, flags, words, output }) {
    const id = String(words[0])
    const { actor, reason, yes } = flags
    await confirm({
      loss: `Everything that key ${id} sealed becomes unreadable until it is enabled again.`,
      yes,
    })
    await disableKey(target.keyring, { keyId: id, actor, reason })
    output.result({ command: 'disable', keyId: id }, () => [`Key ${id} is disabled.`])
    return EXIT.done
  },
})

/** `mortise enable`. */
export const enableCommand: Command = defineCommand<'keys', ActorFlags>({
  name: 'enable',
  summary: 'make a disabled key usable again',
  description: [
    'A disabled key opens again what it sealed. It never becomes the active key again. A key that is not disabled is left as it is.',
    'Cost: one write to the key store.',
    'Undone by `mortise disable`.',
  ],
  examples: ['mortise enable 0123456789abcdef --data-source src/data-source.ts'],
  arguments: [KEY],
  options: actorOptions(),
  needs: 'keys',
  async run({ target, flags, words, output }) {
    const id = String(words[0])
    const { actor, reason } = flags
    await enableKey(target.keyring, { keyId: id, actor, reason })
    output.result({ command: 'enable', keyId: id }, () => [`Key ${id} is usable.`])
    return EXIT.done
  },
})
