import type { SecretKey } from '../crypto/secret-key'
import type { KeyRecord, KeyWrap } from '../key-store/store'
import type { KeyProvider } from '../providers/provider'
import { kekContext, openWrap, type UnlockedKey } from './unlock'
import { checkWrappedLength } from './wrapped-length'

/** A wrap, and the key that its provider opened it to. */
export interface ProvenWrap {
  readonly wrap: KeyWrap
  readonly unlocked: UnlockedKey
}

/**
 * Has a provider wrap a KEK, and opens what it returned: a wrap that is stored has been opened once,
 * to the key with this check value. Two provider calls.
 *
 * @param key - the identity and check value of `kek`
 * @throws ERR_KEY_PROVIDER where the provider cannot wrap, or not open again
 * @throws ERR_KEY_INTEGRITY where its wrap does not open to this key
 */
export async function makeWrap(
  kek: SecretKey,
  key: KeyRecord,
  provider: KeyProvider,
): Promise<ProvenWrap> {
  const bytes = kek.export()
  try {
    const wrapped = await provider.wrapKey(bytes, kekContext(key))
    return await provenWrap(wrapped, key, provider)
  } finally {
    bytes.fill(0)
  }
}

/**
 * Wraps a KEK anew that another provider, or the same one under an earlier root, has wrapped: inside
 * the provider's service where it can, else in this process.
 *
 * @throws what {@link makeWrap} throws, of either provider
 */
export async function moveWrap(
  wrap: KeyWrap,
  key: KeyRecord,
  from: KeyProvider,
  to: KeyProvider,
): Promise<ProvenWrap> {
  const moved = await to.rewrapKey?.(wrap.wrapped, kekContext(key), from.uri)
  if (moved) return provenWrap(moved, key, to)
  const { kek } = await openWrap(key, wrap, from)
  return makeWrap(kek, key, to)
}

async function provenWrap(
  wrapped: Uint8Array,
  key: KeyRecord,
  provider: KeyProvider,
): Promise<ProvenWrap> {
  checkWrappedLength(wrapped, 'a wrap', provider.uri)
  const wrap = { providerUri: provider.uri, wrapped, createdAt: new Date() }
  return { wrap, unlocked: await openWrap(key, wrap, provider) }
}
