import { createInterface } from 'node:readline/promises'
import { UsageError } from './usage-error'

/** What is about to be lost, and whether that was agreed to beforehand. */
export interface Confirmation {
  /** What is lost, exactly; whole sentences. */
  readonly loss: string
  /** The flag `--yes`. */
  readonly yes: boolean | undefined
}

/**
 * Asks before something is destroyed.
 *
 * @throws UsageError where the answer is no, or where nobody can be asked and `--yes` is not given
 */
export async function confirm({ loss, yes }: Confirmation): Promise<void> {
  if (yes === true) return
  const { stdin, stderr } = process
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new UsageError(`${loss}\nNobody can be asked here: add --yes to do it. Nothing was done.`)
  }
  const terminal = createInterface({ input: stdin, output: stderr })
  try {
    const answer = await terminal.question(`${loss}\nType yes to go on: `)
    if (answer.trim() !== 'yes') throw new UsageError('Not confirmed: nothing was done.')
  } finally {
    terminal.close()
  }
}
