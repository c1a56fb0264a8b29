import { MortiseError } from '../errors'
import type { KeyRecord, Session } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'
import type { KeySupply } from './key-supply'
import { checkSeals } from './key-use'
import { isProviderKey } from './provider-keys'
import type { KeySnapshot } from './snapshot'

/** What finding the key that seals needs. */
export interface ActiveKeySource {
  readonly snapshot: KeySnapshot
  readonly supply: KeySupply
  readonly config: { readonly wrapping: 'local' | 'provider' }
}

/**
 * The key of a purpose that seals: the highest version, which is made where there is none.
 *
 * @throws ERR_KEY_STATE where it is not active
 * @throws ERR_CONFIG where it is a `data` key of another `wrapping` than the keyring has
 */
export async function activeKey(
  { snapshot, supply, config }: ActiveKeySource,
  purpose: KeyPurpose,
  session?: Session,
): Promise<KeyRecord> {
  const record = await supply.latest(await snapshot.current(session), purpose, session)
  checkSeals(record)
  if (purpose === 'data') checkWrapping(record, config.wrapping)
  return record
}

/** Sealing on under a key of the other kind would quietly break what `wrapping` promises. */
function checkWrapping(record: KeyRecord, wrapping: 'local' | 'provider'): void {
  const actual = isProviderKey(record) ? 'provider' : 'local'
  if (actual === wrapping) return
  throw new MortiseError(
    'ERR_CONFIG',
    `the active data key ${record.id} of domain ${record.domain} was made with wrapping '${actual}', and this keyring has wrapping '${wrapping}': run rotateKek with purpose 'data' on a keyring with wrapping '${wrapping}'; values of both kinds can be opened`,
  )
}
