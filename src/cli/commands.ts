import type { Command } from 'commander'
import { adoptCommand } from './commands/adopt'
import { censusCommand } from './commands/census'
import { doctorCommand } from './commands/doctor'
import { dropProviderCommand } from './commands/drop-provider'
import { historyCommand } from './commands/history'
import { initCommand } from './commands/init'
import { inspectCommand } from './commands/inspect'
import { jobsCommand } from './commands/jobs'
import { disableCommand, enableCommand } from './commands/key-state'
import { keysCommand } from './commands/keys'
import { reencryptCommand } from './commands/reencrypt'
import { reindexCommand } from './commands/reindex'
import { retireCommand } from './commands/retire'
import { rewrapCommand } from './commands/rewrap'
import { rotateCommand } from './commands/rotate'
import { rotateRootCommand } from './commands/rotate-root'
import { shredCommand } from './commands/shred'
import { verifyCommand } from './commands/verify'

/**
 * Every command, in the order of `mortise --help`.
 *
 * A command is one file of `commands/`: a `defineCommand({ … })` that names what it needs (`data`,
 * `keys` or `nothing`), calls one verb of the public API in `run`, gives the verb's report to
 * `output.result` together with lines of text, and returns one of `EXIT`. The frame opens and closes
 * the target, prints errors, listens to signals and writes the help.
 */
export const COMMANDS: readonly Command[] = [
  ...[initCommand, keysCommand],
  ...[rotateCommand, rewrapCommand, reencryptCommand],
  ...[jobsCommand, censusCommand],
  ...[reindexCommand, adoptCommand],
  ...[retireCommand, historyCommand],
  verifyCommand,
  ...[rotateRootCommand, dropProviderCommand],
  ...[disableCommand, enableCommand, shredCommand],
  ...[inspectCommand, doctorCommand],
]
