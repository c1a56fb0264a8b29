import type { KeyRecord } from '../key-store/store'
import type { Keyring } from '../keys/keyring'
import { history } from './history'

/**
 * Since when a key has been disabled and known to be unused, as earlier runs of `retire` recorded it.
 *
 * A record counts while the key is in the very state in which it was found (no clocks are compared:
 * enabling a key changes when its state began), and until a later run found something that needs it.
 *
 * @returns milliseconds since 1970, or null where no record counts
 */
export async function unusedSince(keyring: Keyring, key: KeyRecord): Promise<number | null> {
  if (key.state !== 'disabled') return null
  const disabledAt = key.stateChangedAt.toISOString()
  let since: number | null = null
  for (const { verb, outcome, parameters } of await history(keyring)) {
    if (verb !== 'retire' || parameters.keyId !== key.id) continue
    if (outcome === 'failed' && parameters.error === 'ERR_KEY_IN_USE') since = null
    if (outcome !== 'waiting' || parameters.disabledAt !== disabledAt) continue
    since ??= Date.parse(String(parameters.unusedSince))
  }
  return since === null || Number.isNaN(since) ? null : since
}
