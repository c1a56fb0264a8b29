import { checkIdentifier } from '../bytes'
import { type Environment, EnvironmentSettings, fromSetting } from './environment'
import { createKeyring, type Keyring } from './keyring'
import type { KeyringCacheOptions, KeyringOptions } from './keyring-options'
import { providersFromSettings, unusedProviderSetting } from './providers-from-env'
import { storeFromSettings } from './store-from-env'

const DOMAIN = 'MORTISE_DOMAIN'
/** Read by other parts of mortise, and never by a keyring. */
const OTHERS = /^MORTISE_(NATIVE$|TEST_|REQUIRE_)/
/** The variables that an option given in code replaces. */
const REPLACED = {
  domain: /^MORTISE_DOMAIN$/,
  wrapping: /^MORTISE_WRAPPING$/,
  providers: /^MORTISE_(KEY_PROVIDERS|ROOT_KEY(_.*)?|PKCS11_(MODULE|PIN))$/,
  store: /^MORTISE_KEY_STORE$/,
} as const

/**
 * Makes a keyring from environment variables. Synchronous: nothing is contacted before its first use.
 *
 * | variable | holds |
 * |---|---|
 * | `MORTISE_KEY_PROVIDERS` | provider URIs separated by white space; the first wraps new keys |
 * | `MORTISE_ROOT_KEY_<NAME>` | the secret of `in-app:NAME`, in capitals, other characters as `_` |
 * | `MORTISE_ROOT_KEY` | the same, where there is one in-app provider only |
 * | `MORTISE_PKCS11_MODULE` | path of the module, where the URI has no `module-path` |
 * | `MORTISE_PKCS11_PIN` | the PIN, where the URI has no `pin-source` |
 * | `MORTISE_KEY_STORE` | `file:PATH` or `postgresql://…`; without it, the DataSource of `withEncryption` |
 * | `MORTISE_DOMAIN`, `MORTISE_WRAPPING` | as `domain` and `wrapping` of {@link createKeyring} |
 * | `MORTISE_EPOCH_POLL_MS`, `MORTISE_SOFT_TTL_MS`, `MORTISE_HARD_TTL_MS` | as in its `cache` |
 *
 * Strict: every variable that begins with `MORTISE_` must be known and needed, and none may be empty.
 *
 * @param environment - `process.env` unless given
 * @param overrides - options that win over the environment; the variables that they replace are ignored
 * @throws ERR_CONFIG naming the variable, or the option of {@link createKeyring} that it sets; never
 * its value
 */
export function keyringFromEnv(
  environment: Environment = process.env,
  overrides: Partial<KeyringOptions> = {},
): Keyring {
  const settings = new EnvironmentSettings(environment)
  settings.ignore(OTHERS)
  for (const [option, names] of Object.entries(REPLACED)) {
    if (overrides[option as keyof KeyringOptions] !== undefined) settings.ignore(names)
  }
  const read = {
    domain: overrides.domain ?? domainFrom(settings),
    wrapping: overrides.wrapping ?? settings.oneOf('MORTISE_WRAPPING', ['local', 'provider']),
    cache: { ...timesFrom(settings), ...overrides.cache },
    providers: overrides.providers ?? providersFromSettings(settings),
    store: overrides.store ?? storeFromSettings(settings),
  }
  settings.refuseUnused(unusedProviderSetting)
  return createKeyring({ ...overrides, ...read })
}

function domainFrom(settings: EnvironmentSettings): string | undefined {
  const domain = settings.text(DOMAIN)
  return domain && fromSetting(DOMAIN, () => checkIdentifier(domain, 'domain', 64))
}

function timesFrom(settings: EnvironmentSettings): KeyringCacheOptions {
  return {
    epochPollMs: settings.milliseconds('MORTISE_EPOCH_POLL_MS'),
    softTtlMs: settings.milliseconds('MORTISE_SOFT_TTL_MS'),
    hardTtlMs: settings.milliseconds('MORTISE_HARD_TTL_MS'),
  }
}
