import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/commands'

const page = readFileSync(resolve(__dirname, '../../docs/how-to/use-the-cli.md'), 'utf8')

function helpOf(command: (typeof COMMANDS)[number]): string {
  let help = ''
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
  return help
}

describe.each(COMMANDS.map((command) => [command.name(), command] as const))(
  '%s',
  (name, command) => {
    it('is listed in the documentation', () => {
      expect(page).toMatch(new RegExp(`^\\| (.*, )?\`${name}[ \`]`, 'm'))
    })

    it('says what it costs, whether it can be undone, how it is called and how it ends', () => {
      const help = helpOf(command)
      expect(help).toMatch(/^(Cost: |Needs no key)/m)
      expect(help).toMatch(/undo|changes nothing|lost by it|removed by it|goes on where/i)
      expect(help).toMatch(new RegExp(`^Examples:\n  \\$ .*mortise ${name}`, 'm'))
      expect(help).toMatch(/^Exit codes:\n {2}0 /m)
    })

    it('takes no secret', () => {
      const flags = command.options.map(({ long }) => long)
      expect(flags).toEqual(expect.arrayContaining(['--json', '--quiet', '--debug']))
      expect(
        flags.filter((flag) => /secret|root-key|password|pin|token|url/.test(String(flag))),
      ).toEqual([])
    })
  },
)
