import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { generateRootKey } from '../../src/providers/in-app'
import { type UserProject, userProject } from '../built-package'
import { createDatabase, type TestDatabase } from '../database'

/** How a command ended, and what it wrote. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The lines of stdout, as JSON. */
  readonly events: () => Record<string, unknown>[]
}

/** Sends a signal to the command. */
export type Kill = (signal: NodeJS.Signals) => boolean

/** How a command is called. */
export interface CallOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string | Buffer
  /** Gives the command a terminal; both of its streams are then in `stdout`. */
  readonly terminal?: boolean
  /** Sees what has been written so far, and may send signals. */
  readonly onOutput?: (text: string, kill: Kill) => void
}

/** A project with the built package, and a database of its own. */
export interface CommandLine {
  readonly project: UserProject
  readonly database: TestDatabase
  /** Runs `mortise` with the project's DataSource at hand. */
  mortise(args: readonly string[], options?: CallOptions): Promise<Outcome>
  /** Runs a script of the project. */
  node(args: readonly string[], options?: CallOptions): Promise<Outcome>
}

/** Python's `pty` gives a program a terminal without a line of C. */
const TERMINAL = [
  '-c',
  'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))',
]

/** @param name - of the project's folder; one for each test file */
export async function openCommandLine(name: string): Promise<CommandLine> {
  const project = userProject(name)
  const database = await createDatabase()
  project.copy('test/cli/data-source.cjs')
  project.copy('test/cli/seed.cjs')
  const known = { DATABASE_URL: database.url, TEST_ROOT_KEY: generateRootKey() }
  const node = (args: readonly string[], options: CallOptions = {}): Promise<Outcome> =>
    runNode(project.folder, args, { ...options, env: { ...known, ...options.env } })
  const bin = join('node_modules', 'mortise', 'dist', 'cli', 'bin.js')
  return { project, database, node, mortise: (args, options) => node([bin, ...args], options) }
}

async function runNode(
  cwd: string,
  args: readonly string[],
  { env, input = '', terminal = false, onOutput }: CallOptions,
): Promise<Outcome> {
  const command = [process.execPath, ...args]
  const [file, ...rest] = terminal ? ['/usr/bin/python3', ...TERMINAL, ...command] : command
  const child = spawn(String(file), rest, { cwd, env: { ...process.env, ...env } })
  const written = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      written[stream] += text
      onOutput?.(written.stdout + written.stderr, (signal) => child.kill(signal))
    })
  }
  child.stdin.on('error', () => {})
  // A terminal that ends takes the program along.
  if (terminal) child.stdin.write(input)
  else child.stdin.end(input)
  const [code] = await once(child, 'close')
  const events = () =>
    written.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  return { code, ...written, events }
}
