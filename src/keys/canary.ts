import { equalConstantTime } from '../crypto/hash'
import { randomBytes } from '../crypto/random'
import { KEY_BYTES } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { KeyContext, KeyProvider, ProviderCallOptions } from '../providers/provider'

const KEY_ID_BYTES = 8

/** The identity of a key that is made for one proof and never stored. */
export function canaryContext(domain: string): KeyContext {
  const id = randomBytes(KEY_ID_BYTES).toString('hex')
  return { use: 'kek', domain, purpose: 'data', id, version: 1 }
}

/**
 * Has a provider wrap 32 random bytes and unwrap them again: that it can be reached and used, in both
 * directions. Two provider calls; all copies are zeroed.
 *
 * @throws what the provider throws; ERR_KEY_INTEGRITY where other bytes come back
 */
export async function proveProvider(
  provider: Pick<KeyProvider, 'uri' | 'wrapKey' | 'unwrapKey'>,
  context: KeyContext,
  options: ProviderCallOptions,
): Promise<void> {
  const key = randomBytes(KEY_BYTES)
  try {
    const wrapped = await provider.wrapKey(key, context, options)
    const unwrapped = await provider.unwrapKey(wrapped, context, options)
    const same = equalConstantTime(unwrapped, key)
    unwrapped.fill(0)
    if (same) return
    throw new MortiseError(
      'ERR_KEY_INTEGRITY',
      `${provider.uri} unwrapped other bytes than those that it had just wrapped: do not use it`,
      { failure: 'integrity' },
    )
  } finally {
    key.fill(0)
  }
}
