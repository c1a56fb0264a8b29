import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { COMMANDS } from './commands'
import { EXIT } from './exit-codes'

/**
 * Runs the command that `argv` names and ends the process with its exit code: what a project's
 * modules leave open (timers, connections of their own) does not keep it alive.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const program = makeProgram()
  for (const stream of [process.stdout, process.stderr]) stream.on('error', endOfReader)
  try {
    await program.parseAsync(argv)
  } catch (error) {
    // Commander has printed what is wrong, or the help that was asked for.
    const { exitCode } = error as { exitCode?: number }
    if (exitCode === undefined) throw error
    process.exitCode = exitCode === 0 ? EXIT.done : EXIT.usage
  }
  process.exit()
}

/** `mortise keys | head -1` closes the pipe: whoever reads has seen enough. */
function endOfReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.failed)
}

function makeProgram(): Command {
  const program = new Command('mortise')
    .description(DESCRIPTION)
    .version(packageVersion(), '--version', 'print the version')
    .addHelpText('after', HELP_TAIL)
    .helpCommand(true)
    .showHelpAfterError('Run it with --help to see what it takes.')
    .exitOverride()
  for (const command of COMMANDS) program.addCommand(command.copyInheritedSettings(program))
  return program
}

const DESCRIPTION = `Keys and encrypted columns of mortise: looks at them, rotates them, moves them.

Commands on data take the DataSource of your application, the one that
withEncryption was called on:
  mortise COMMAND --data-source src/data-source.ts
Commands on keys alone take it too, or the environment (MORTISE_KEY_PROVIDERS,
MORTISE_KEY_STORE). Secrets are never taken from the command line.`

const HELP_TAIL = `
Exit codes:
  0         done
  1         failed, see stderr
  2         wrong usage, or not confirmed: nothing was done
  3         went through, and something is left: failed or skipped rows
  4         a check went through, and its answer is no
  130, 143  stopped by SIGINT or SIGTERM, cleanly: run it again to go on

Run 'mortise COMMAND --help': what it does, what it costs, whether it can be undone.`

function packageVersion(): string {
  const manifest = readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')
  return JSON.parse(manifest).version
}
