import { randomBytes } from '../crypto/random'
import { KEY_BYTES, secretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { KeyRecord, KeyWrap } from '../key-store/store'
import type { KeyProvider, KeyPurpose } from '../providers/provider'
import { type KekIdentity, keyCheckValue } from './derive'
import { kekContext, openWrap, type UnlockedKey } from './unlock'

/** A provider's blob is stored beside others; see docs/format.md "Keys". */
const MAX_WRAPPED_BYTES = 1024
const KEY_ID_BYTES = 8

/** A KEK that is wrapped and proven, but not yet committed to any store. */
export interface NewKey {
  readonly record: KeyRecord
  readonly unlocked: UnlockedKey
}

/**
 * Draws a new KEK and wraps it. What the provider returned is opened again before anything is
 * stored: a wrap that cannot be opened would lose every value sealed under the key.
 *
 * @throws ERR_KEY_PROVIDER, ERR_KEY_INTEGRITY where the provider cannot wrap or not open again
 */
export async function createKey(
  place: { readonly domain: string; readonly purpose: KeyPurpose; readonly version: number },
  provider: KeyProvider,
): Promise<NewKey> {
  const identity = { ...place, id: randomBytes(KEY_ID_BYTES).toString('hex') }
  const bytes = randomBytes(KEY_BYTES)
  try {
    const record = await wrapRecord(identity, bytes, provider)
    const [wrap] = record.wraps
    return { record, unlocked: await openWrap(record, wrap, provider) }
  } finally {
    bytes.fill(0)
  }
}

async function wrapRecord(
  identity: KekIdentity,
  bytes: Uint8Array,
  provider: KeyProvider,
): Promise<KeyRecord & { readonly wraps: readonly [KeyWrap] }> {
  const kcv = keyCheckValue(secretKey(bytes), identity)
  const wrapped = await wrapBy(provider, bytes, identity)
  const createdAt = new Date()
  const wrap = { providerUri: provider.uri, wrapped, createdAt }
  const state = 'active'
  return { ...identity, state, kcv, createdAt, stateChangedAt: createdAt, epoch: 0, wraps: [wrap] }
}

async function wrapBy(
  provider: KeyProvider,
  bytes: Uint8Array,
  identity: KekIdentity,
): Promise<Uint8Array> {
  const wrapped = await provider.wrapKey(bytes, kekContext(identity))
  if (wrapped.length >= 1 && wrapped.length <= MAX_WRAPPED_BYTES) return wrapped
  throw new MortiseError(
    'ERR_KEY_PROVIDER',
    `${provider.uri} returned a wrap of ${wrapped.length} bytes; 1 to ${MAX_WRAPPED_BYTES} are allowed`,
  )
}
