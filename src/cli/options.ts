import { InvalidArgumentError, Option } from 'commander'

/** `--gone-field`, of commands that ask whether a key is needed. */
export function goneFieldOption(): Option {
  return new Option(
    '--gone-field <id...>',
    'field ids of the domain whose columns are gone for good',
  )
}

/** `--yes`, of every command that destroys something. */
export function yesOption(): Option {
  return new Option('--yes', 'do not ask: needed where there is no terminal')
}

/** A whole number from 1 on. */
export function wholeNumber(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1 on.')
}

/** A key id. */
export function keyId(text: string): string {
  if (/^[0-9a-f]{16}$/.test(text)) return text
  throw new InvalidArgumentError('A key id is 16 lower-case hex digits; see `mortise keys`.')
}
