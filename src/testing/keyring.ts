import { memoryKeyStore } from '../key-store/memory'
import { createKeyring, type Keyring } from '../keys/keyring'
import type { KeyringOptions } from '../keys/keyring-options'
import { generateRootKey, inAppKeyProvider } from '../providers/in-app'

/**
 * A keyring that lives in memory, under a root key of its own: for tests.
 *
 * What it seals cannot be opened by any other keyring, unless both are given one `store` and one
 * provider.
 *
 * @param options - of `createKeyring`; each replaces what this one would choose
 * @throws ERR_CONFIG as `createKeyring` does
 */
export function testKeyring(options: Partial<KeyringOptions> = {}): Keyring {
  return createKeyring({
    providers: [inAppKeyProvider({ name: 'test', secret: generateRootKey() })],
    store: memoryKeyStore(),
    ...options,
  })
}
