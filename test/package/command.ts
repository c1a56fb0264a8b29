import { spawnSync } from 'node:child_process'

/** How a command ended, and what it said. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  /** Both streams, for messages. */
  readonly output: string
}

/**
 * Runs a command to its end, in an environment that does not know it was started by a test.
 *
 * @param env - variables to add to it
 */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Outcome {
  const outcome = spawnSync(command, args, {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { status, stdout, stderr, error } = outcome
  return { code: status, stdout, output: `${error ?? ''}${stdout}${stderr}` }
}

/**
 * The environment without what `npm run` and vitest put there: npm would take the repository for
 * the project to install into, and libraries would see NODE_ENV=test.
 */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const added =
    /^(npm_(package|lifecycle|command|execpath|node)|npm_config_local_prefix|VITEST|NODE_ENV$|INIT_CWD$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !added.test(name)))
}
