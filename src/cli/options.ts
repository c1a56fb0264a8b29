import { InvalidArgumentError, Option } from 'commander'

/** What commands that move data have in common. */
export interface JobFlags {
  readonly batchSize?: number
  readonly dryRun?: boolean
}

/** The options behind {@link JobFlags}. */
export function jobOptions(): Option[] {
  return [
    new Option('--batch-size <rows>', 'rows per transaction, 1 to 10000 (default: 1000)').argParser(
      wholeNumber,
    ),
    new Option('--dry-run', 'do everything except writing'),
  ]
}

/** `--yes`, of every command that destroys something. */
export function yesOption(): Option {
  return new Option('--yes', 'do not ask: needed where there is no terminal')
}

function wholeNumber(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1 on.')
}

/** A key id. */
export function keyId(text: string): string {
  if (/^[0-9a-f]{16}$/.test(text)) return text
  throw new InvalidArgumentError('A key id is 16 lower-case hex digits; see `mortise keys`.')
}
