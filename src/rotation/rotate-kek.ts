import { MortiseError } from '../errors'
import { type Keyring, keyControl } from '../keys/keyring'
import type { KeyPurpose } from '../providers/provider'
import { type HistoryOptions, recorded } from './history-record'

/** Which key to rotate. */
export interface RotateKekOptions extends HistoryOptions {
  /** `data` keys seal values; an `index` key only serves fields that are indexed from now on. */
  readonly purpose: KeyPurpose
}

/** What a rotation did. */
export interface RotateKekResult {
  /** The new active key, 16 hex digits. */
  readonly keyId: string
  /** Its version: one more than the highest before it. */
  readonly version: number
  /** The key that was active before, now `decrypt-only`; `null` where there was none. */
  readonly previousKeyId: string | null
}

/** Each lost race is another rotation that succeeded. */
const MAX_ATTEMPTS = 10

/**
 * Makes a new KEK the active one. A handful of calls, whatever the amount of data: no row is touched.
 *
 * This process seals under the new key at once, others within their `cache.epochPollMs`; what the
 * previous key sealed stays readable. Of several rotations at the same time each makes a version of
 * its own, one after the other. Rotating `index` leaves every index as it is: tokens stay on the key
 * that the field was registered with.
 *
 * @param keyring - its first provider wraps the new key
 * @throws ERR_KEY_PROVIDER, ERR_KEY_INTEGRITY where the provider cannot wrap, or not open again
 * @throws ERR_KEY_STORE (`retryable`) where others rotated all the time
 * @throws ERR_HISTORY (`retryable`) where it is done, and its record is missing
 */
export async function rotateKek(
  keyring: Keyring,
  options: RotateKekOptions,
): Promise<RotateKekResult> {
  const { purpose, actor, reason } = options
  if (purpose !== 'data' && purpose !== 'index') {
    throw new MortiseError('ERR_CONFIG', "purpose must be 'data' or 'index'")
  }
  const operation = { verb: 'rotateKek', actor, reason, parameters: { purpose } } as const
  return recorded(
    keyring,
    operation,
    () => addVersion(keyring, purpose),
    ({ keyId, previousKeyId, version }) => ({
      keyIds: previousKeyId === null ? [keyId] : [keyId, previousKeyId],
      parameters: { version },
    }),
  )
}

async function addVersion(keyring: Keyring, purpose: KeyPurpose): Promise<RotateKekResult> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const added = await keyControl(keyring).addVersion(purpose)
    if (added === null) continue
    const { id, version } = added.key
    return { keyId: id, version, previousKeyId: added.previousKeyId }
  }
  throw new MortiseError(
    'ERR_KEY_STORE',
    `the ${purpose} key of domain ${keyring.domain} was rotated by others ${MAX_ATTEMPTS} times meanwhile; try again`,
    { retryable: true },
  )
}
