import { isMortiseError, MortiseError, type ProviderFailure } from '../errors'
import type { KeyRecord } from '../key-store/store'
import { failureOf } from './provider-failure'

/** What says most about a key first: a refusal is there to stay, an outage is not. */
const TELLING: readonly (ProviderFailure | null)[] = [
  'integrity',
  'access',
  'state',
  null,
  'session',
  'transient',
]

/**
 * The error of a key that none of its providers opened: a single one as it is, of several the most
 * telling class with all messages. It is retryable if any of them is.
 */
export function unlockFailure(record: KeyRecord, errors: readonly unknown[]): unknown {
  const [first, ...others] = errors
  if (first === undefined) return notConfigured(record)
  if (others.length === 0) return first
  const ranked = [...errors].sort((a, b) => rank(a) - rank(b))
  const failure = failureOf(ranked[0]) ?? undefined
  const messages = errors.map((error) => (isMortiseError(error) ? error.message : 'failed'))
  const retryable = errors.some((error) => isMortiseError(error) && error.retryable)
  return new MortiseError(
    'ERR_KEY_PROVIDER',
    `${nameOf(record)} was opened by none of its providers: ${messages.join('; ')}`,
    { failure, retryable, cause: ranked[0] },
  )
}

/** The error of a key that no configured provider wraps. */
export function notConfigured(record: KeyRecord): MortiseError {
  const uris = record.wraps.map(({ providerUri }) => providerUri).join(', ')
  return new MortiseError(
    'ERR_KEY_PROVIDER',
    `${nameOf(record)} is wrapped by ${uris || 'no provider'}, none of which this keyring has; add that provider to createKeyring`,
  )
}

function nameOf({ id, domain, purpose, version }: KeyRecord): string {
  return `key ${id} (domain ${domain}, ${purpose}, version ${version})`
}

function rank(error: unknown): number {
  return TELLING.indexOf(failureOf(error))
}
