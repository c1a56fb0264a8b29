import type { Command } from 'commander'
import type { KeyInfo } from '../../keys/keyring'
import { defineCommand } from '../command'
import { durationText } from '../duration'
import { EXIT } from '../exit-codes'
import { textTable } from '../text-table'

/** `mortise keys`. */
export const keysCommand: Command = defineCommand<'keys'>({
  name: 'keys',
  summary: 'list the keys: state, age, and who can open each',
  description: [
    'Lists every key of the domain as the key store holds it now, with its id, purpose, version, state, age and the providers that wrap it. Never any key bytes.',
    'Cost: one read of the key store; no provider is called.',
    'Changes nothing.',
  ],
  examples: [
    'mortise keys --data-source src/data-source.ts',
    "mortise keys -d dist/data-source.js --json | jq -r '.keys[].id'",
  ],
  needs: 'keys',
  async run({ target, output }) {
    const { keyring } = target
    const keys = await keyring.keys()
    output.result({ command: 'keys', domain: keyring.domain, keys }, () => [
      `domain ${keyring.domain}`,
      ...textTable(HEAD, keys.map(rowOf)),
    ])
    return EXIT.done
  },
})

const HEAD = ['key', 'purpose', 'version', 'state', 'age', 'opened by']

function rowOf({
  id,
  purpose,
  version,
  state,
  createdAt,
  providers,
}: KeyInfo): (string | number)[] {
  const age = durationText((Date.now() - createdAt.getTime()) / 1000)
  return [id, purpose, version, state, age, providers.join(' ')]
}
