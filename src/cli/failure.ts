import { inspect } from 'node:util'
import { CommanderError } from 'commander'
import { isMortiseError } from '../errors'
import { EXIT } from './exit-codes'
import { Interruption } from './interruption'
import type { Output } from './output'
import { UsageError } from './usage-error'

/**
 * Says why a command failed: message and code, and the stack only where it is asked for. Parameters
 * of SQL statements, which errors of TypeORM carry, are never shown.
 *
 * @returns the exit code
 */
export function reportFailure(error: unknown, output: Output, debug: boolean): number {
  if (error instanceof CommanderError) {
    // Its message is printed already; --help and --version end here as well.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage
  }
  if (error instanceof Interruption) {
    output.problem(`mortise: ${error.message}; run the same command again to go on`, {
      code: 'INTERRUPTED',
      message: error.message,
    })
    return error.exitCode
  }
  const { code, message, retryable } = described(error)
  output.problem(`mortise: ${textOf(error)}`, { code, message, retryable })
  const { cause } = Object(error) as { cause?: unknown }
  if (message.endsWith(SEE_CAUSE) && cause !== undefined) output.note(`cause: ${textOf(cause)}`)
  if (retryable) output.note('The same command may succeed later.')
  if (debug && error instanceof Error) process.stderr.write(`${stacks(error)}\n`)
  return error instanceof UsageError ? EXIT.usage : EXIT.failed
}

/** How messages end that leave the rest to what a driver or vendor said. */
const SEE_CAUSE = 'see the cause'

function textOf(error: unknown): string {
  const { code, message } = described(error)
  return code === null ? message : `${code}: ${message}`
}

interface Description {
  /** `null` for an error that has none. */
  readonly code: string | null
  readonly message: string
  readonly retryable: boolean
}

function described(error: unknown): Description {
  if (isMortiseError(error)) {
    const { code, message, retryable } = error
    return { code, message, retryable }
  }
  if (!(error instanceof Error)) return { code: null, message: inspect(error), retryable: false }
  const { code } = error as { code?: unknown }
  const message = error.message || attemptsOf(error)
  return { code: typeof code === 'string' ? code : null, message, retryable: false }
}

/** Node's error of a connection that was tried at several addresses has no message of its own. */
function attemptsOf(error: Error): string {
  const { errors = [] } = error as { errors?: readonly unknown[] }
  return errors.map((one) => (one instanceof Error ? one.message : '')).join('; ') || error.name
}

/** Stacks only: inspecting an error of TypeORM would show its parameters. */
function stacks(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stacks(error.cause)}` : ''
  return `${error.stack}${cause}`
}
