import type { Command } from 'commander'
import { dropProvider } from '../../rotation'
import { type ActorFlags, actorOptions } from '../actor'
import { defineCommand } from '../command'
import { confirm } from '../confirm'
import { EXIT } from '../exit-codes'
import { yesOption } from '../options'
import { counted } from '../text-table'

interface Flags extends ActorFlags {
  readonly yes?: boolean
}

/** `mortise drop-provider`. */
export const dropProviderCommand: Command = defineCommand<'keys', Flags>({
  name: 'drop-provider',
  summary: "take a provider's wraps off all keys",
  description: [
    'Removes the wraps of one provider, after every other provider has opened the keys afresh. Refused where it holds the last wrap of a key. Take the provider out of the configuration of all processes as well.',
    'Cost: a few provider calls for each key, whatever the amount of data.',
    'Asks first. Can be undone while the provider can still be used: `mortise rotate-root --from OTHER --to URI` wraps anew.',
  ],
  examples: ['mortise drop-provider in-app:main --data-source src/data-source.ts --yes'],
  arguments: [['<uri>', 'URI of the provider, as `mortise keys` shows it']],
  options: [...actorOptions(), yesOption()],
  needs: 'keys',
  async run({ target, flags, words, output }) {
    const uri = String(words[0])
    const { actor, reason, yes } = flags
    const wrapped = (await target.keyring.keys()).filter(({ providers }) => providers.includes(uri))
    await confirm({
      loss: `This removes the wraps of ${counted(wrapped.length, 'key')} by ${uri}: it will not be able to open them any more.`,
      yes,
    })
    const report = await dropProvider(target.keyring, { uri, actor, reason })
    output.result({ command: 'drop-provider', ...report }, () => [
      `${report.providerUri} opens none of ${counted(report.dropped.length, 'key')} any more: ${report.dropped.join(', ') || 'none'}`,
    ])
    return EXIT.done
  },
})
