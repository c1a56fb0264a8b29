import { isMortiseError, type MortiseError } from '../../errors'

/** Throws unless a clause of the contract holds. */
export function ensure(holds: boolean, violation: string): asserts holds {
  if (!holds) throw new Error(violation)
}

/** Throws unless both hold the same bytes; names neither. */
export function ensureSameBytes(actual: Uint8Array, expected: Uint8Array, violation: string): void {
  ensure(Buffer.compare(actual, expected) === 0, violation)
}

/** What a call rejects with, whatever it is; throws where it resolves. */
export async function rejection(call: () => Promise<unknown>, what: string): Promise<unknown> {
  const [rejected, error] = await call().then(
    (): [boolean, unknown] => [false, undefined],
    (reason: unknown): [boolean, unknown] => [true, reason],
  )
  ensure(rejected, `${what}: resolved, but must be refused`)
  return error
}

/** The MortiseError that a call must reject with. */
export async function refusal(call: () => Promise<unknown>, what: string): Promise<MortiseError> {
  const error = await rejection(call, what)
  ensure(isMortiseError(error), `${what}: rejected with ${nameOf(error)}, not with a MortiseError`)
  return error
}

/** The refusal of a wrap that does not authenticate: one class of error for every cause. */
export async function integrityRefusal(
  call: () => Promise<unknown>,
  what: string,
): Promise<MortiseError> {
  const error = await refusal(call, what)
  ensure(
    error.code === 'ERR_KEY_INTEGRITY',
    `${what}: rejected with ${error.code}, not with ERR_KEY_INTEGRITY`,
  )
  ensure(error.failure === 'integrity', `${what}: failure is ${error.failure}, not 'integrity'`)
  ensure(!error.retryable, `${what}: is retryable, but will never succeed`)
  return error
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
