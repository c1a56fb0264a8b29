import { readFile } from 'node:fs/promises'
import { MortiseError } from '../../errors'

/** A PIN, or a function that fetches it whenever the token must be logged in to. */
export type PinSource = string | (() => string | Promise<string>)

/**
 * The PIN from a file, read at each login, so that it stays nowhere in between. One line feed at the
 * end is not part of it.
 *
 * @param path - of a file that only the application may read
 * @returns a value for the option `pin`
 */
export function pinFromFile(path: string): () => Promise<string> {
  return async () => (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
}

/**
 * The PIN from an environment variable, read at each login.
 *
 * @param variable - its name
 * @returns a value for the option `pin`
 */
export function pinFromEnv(variable: string): () => string {
  return () => process.env[variable] ?? ''
}

/**
 * Fetches the PIN for one login.
 *
 * A source that fails cost the token no attempt, so it is not remembered. Its error is not passed on
 * as the cause: nobody can know what a callback's error holds. Its code is, if it looks like one.
 *
 * @throws ERR_KEY_PROVIDER, `access`, where there is no PIN
 */
export async function fetchPin(source: PinSource, uri: string): Promise<string> {
  let pin: unknown
  try {
    pin = typeof source === 'function' ? await source() : source
  } catch (error) {
    throw noPin(uri, `its source failed${codeOf(error)}`)
  }
  if (typeof pin === 'string' && pin !== '' && !pin.includes('\0')) return pin
  throw noPin(uri, 'its source gave no text')
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z]{2,20}$/.test(code) ? ` with ${code}` : ''
}

function noPin(uri: string, why: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_PROVIDER',
    `${uri}: no PIN to log in with, ${why}; check the pin option, the file or the variable that it names`,
    { failure: 'access' },
  )
}
