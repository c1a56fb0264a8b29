import { Command, Option } from 'commander'
import { EXIT, type ExitCode } from './exit-codes'
import { reportFailure } from './failure'
import { interruptible } from './interruption'
import { createOutput, type Output } from './output'
import { type DataTarget, openDataSource, openKeys, type Target } from './target'

/** What a command works on, by what it needs. */
interface Targets {
  /** The encrypted DataSource of `--data-source`. */
  data: DataTarget
  /** The keyring of `--data-source`, or of the environment. */
  keys: Target
  /** Neither. */
  nothing: null
}

/** One call of a command. */
export interface CommandCall<Needs extends keyof Targets, Flags> {
  readonly target: Targets[Needs]
  readonly flags: Flags
  /** In the order of `arguments`. */
  readonly words: readonly (string | undefined)[]
  readonly output: Output
  /** Aborted by SIGINT and SIGTERM: a job stops behind its current batch. */
  readonly signal: AbortSignal
}

/** `[NAME]` or `<NAME>` with its explanation, and what checks it. */
export type CommandArgument = readonly [
  name: string,
  explanation: string,
  parse?: (word: string) => string,
]

/** What a command's file declares. Everything but `run` is its `--help`. */
export interface CommandDefinition<Needs extends keyof Targets, Flags> {
  readonly name: string
  /** What it does, in one line of the list of commands. */
  readonly summary: string
  /** What it does, what it costs, and whether it can be undone: a paragraph each. */
  readonly description: readonly string[]
  /** Whole command lines. */
  readonly examples: readonly string[]
  /** What exit codes 3 and 4 mean, where it can end with them. */
  readonly exits?: { readonly 3?: string; readonly 4?: string }
  readonly arguments?: readonly CommandArgument[]
  readonly options?: readonly Option[]
  readonly needs: Needs
  readonly run: (call: CommandCall<Needs, Flags>) => Promise<ExitCode>
}

/** The flags of every command. */
interface SharedFlags {
  readonly dataSource?: string
  readonly json?: boolean
  readonly quiet?: boolean
  readonly debug?: boolean
}

/** Makes a command out of its definition; its action sets the exit code of the process. */
export function defineCommand<Needs extends keyof Targets, Flags = object>(
  definition: CommandDefinition<Needs, Flags>,
): Command {
  const { name, summary, description, needs } = definition
  const command = new Command(name).summary(summary).description(description.join('\n\n'))
  for (const [word, explanation, parse = String] of definition.arguments ?? []) {
    command.argument(word, explanation, parse)
  }
  for (const option of definition.options ?? []) command.addOption(option)
  if (needs !== 'nothing') command.addOption(dataSourceOption(needs === 'data'))
  for (const option of sharedOptions()) command.addOption(option)
  command.addHelpText('after', () => helpTail(definition))
  return command.action(async (...call: unknown[]) => {
    const words = call.slice(0, -2) as (string | undefined)[]
    const flags = command.opts<Flags & SharedFlags>()
    process.exitCode = await runCommand(definition, flags, words)
  })
}

async function runCommand<Needs extends keyof Targets, Flags>(
  definition: CommandDefinition<Needs, Flags>,
  flags: Flags & SharedFlags,
  words: readonly (string | undefined)[],
): Promise<number> {
  const { json = false, quiet = false, debug = false } = flags
  const output = createOutput({ json, quiet })
  let target: Target | null = null
  try {
    target = await openTarget(definition.needs, flags.dataSource)
    const call = { target: target as Targets[Needs], flags, words, output }
    const onFirst = () => output.interrupt('Stopping after what is under way; again stops at once.')
    return await interruptible(onFirst, (signal) => definition.run({ ...call, signal }))
  } catch (error) {
    return reportFailure(error, output, debug || /\bmortise\b/.test(process.env.DEBUG ?? ''))
  } finally {
    await target?.close().catch((error: unknown) => reportFailure(error, output, debug))
    await output.flush()
  }
}

async function openTarget(
  needs: keyof Targets,
  dataSource: string | undefined,
): Promise<Target | null> {
  if (needs === 'nothing') return null
  return needs === 'data' ? openDataSource(String(dataSource)) : openKeys(dataSource)
}

function dataSourceOption(mandatory: boolean): Option {
  const otherwise = mandatory ? '' : '; without it, keys come from the MORTISE_ variables'
  return new Option(
    '-d, --data-source <file>',
    `module that exports the encrypted DataSource, JavaScript or TypeScript${otherwise}`,
  ).makeOptionMandatory(mandatory)
}

function sharedOptions(): Option[] {
  return [
    new Option('--json', 'write JSON objects to stdout, one a line: progress, then the result'),
    new Option('--quiet', 'write errors only'),
    new Option('--debug', 'show the stack of an error (also by DEBUG=mortise)'),
  ]
}

function helpTail({
  examples,
  exits = {},
}: Pick<CommandDefinition<never, never>, 'examples' | 'exits'>): string {
  const codes = Object.entries({
    [EXIT.done]: 'done',
    [EXIT.failed]: 'failed, see stderr',
    [EXIT.usage]: 'wrong usage, or not confirmed: nothing was done',
    ...exits,
    '130, 143': 'stopped by SIGINT or SIGTERM',
  })
  return [
    '\nExamples:',
    ...examples.map((line) => `  $ ${line}`),
    '\nExit codes:',
    ...codes.map(([code, meaning]) => `  ${code.padEnd(9)} ${meaning}`),
  ].join('\n')
}
