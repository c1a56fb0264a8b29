import { awsKmsKeyProvider } from '../providers/aws-kms'
import { inAppKeyProvider } from '../providers/in-app'
import { pkcs11KeyProvider } from '../providers/pkcs11'
import { parsePkcs11Uri } from '../providers/pkcs11/uri'
import type { KeyProvider } from '../providers/provider'
import { type EnvironmentSettings, fromSetting, settingError } from './environment'

const PROVIDERS = 'MORTISE_KEY_PROVIDERS'
const ROOT_KEY = 'MORTISE_ROOT_KEY'
const PIN = 'MORTISE_PKCS11_PIN'
const MODULE = 'MORTISE_PKCS11_MODULE'

/**
 * The providers that `MORTISE_KEY_PROVIDERS` lists, in its order.
 *
 * @throws ERR_CONFIG naming the variable that is missing, wrong or contradicts another
 */
export function providersFromSettings(settings: EnvironmentSettings): KeyProvider[] {
  const uris = settings.text(PROVIDERS)?.split(/\s+/).filter(Boolean) ?? []
  if (uris.length === 0) {
    throw settingError(PROVIDERS, "must list the key providers, for example 'in-app:main'")
  }
  const rootKeys = rootKeyVariables(uris)
  return uris.map((uri) => {
    if (uri.startsWith('in-app:')) return inApp(settings, uri, rootKeys)
    if (uri.startsWith('aws-kms:')) {
      const keyId = uri.slice('aws-kms:'.length)
      return fromSetting(PROVIDERS, () => awsKmsKeyProvider({ keyId }))
    }
    if (uri.startsWith('pkcs11:')) return pkcs11(settings, uri)
    throw settingError(PROVIDERS, `lists '${scheme(uri)}': begin with in-app:, aws-kms: or pkcs11:`)
  })
}

/** Why a setting of a provider was not needed. */
export function unusedProviderSetting(name: string): string | undefined {
  if (name === ROOT_KEY) {
    return `is ambiguous or not needed: it serves one in-app provider only, and not beside ${ROOT_KEY}_<NAME>`
  }
  if (name.startsWith(`${ROOT_KEY}_`)) return `belongs to no in-app provider of ${PROVIDERS}`
  if (name === PIN || name === MODULE) {
    return `is not needed: ${PROVIDERS} lists no pkcs11 provider that leaves it open`
  }
  return undefined
}

/** The variable of each in-app provider; two that would share one are refused. */
function rootKeyVariables(uris: readonly string[]): ReadonlyMap<string, string> {
  const byVariable = new Map<string, string>()
  for (const uri of uris.filter((candidate) => candidate.startsWith('in-app:'))) {
    const name = uri.slice('in-app:'.length)
    const variable = `${ROOT_KEY}_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
    const other = byVariable.get(variable)
    if (other !== undefined) throw settingError(variable, `would serve both ${other} and ${uri}`)
    byVariable.set(variable, uri)
  }
  return new Map([...byVariable].map(([variable, uri]) => [uri, variable]))
}

function inApp(
  settings: EnvironmentSettings,
  uri: string,
  variables: ReadonlyMap<string, string>,
): KeyProvider {
  const variable = variables.get(uri) ?? ROOT_KEY
  const own = settings.text(variable)
  const secret = own ?? (variables.size === 1 ? settings.text(ROOT_KEY) : undefined)
  if (secret === undefined) {
    throw settingError(variable, `is not set, and ${uri} needs its secret; see generateRootKey()`)
  }
  const name = uri.slice('in-app:'.length)
  return fromSetting(own === undefined ? ROOT_KEY : variable, () =>
    inAppKeyProvider({ name, secret }),
  )
}

/** What the URI leaves open comes from the environment, and only that. */
function pkcs11(settings: EnvironmentSettings, uri: string): KeyProvider {
  const inUri = fromSetting(PROVIDERS, () => parsePkcs11Uri(uri))
  const module = inUri.module === undefined ? settings.text(MODULE) : undefined
  const pin = inUri.pinFile === undefined ? settings.text(PIN) : undefined
  if (inUri.module === undefined && module === undefined) {
    throw settingError(MODULE, `is not set, and a pkcs11 URI of ${PROVIDERS} has no module-path`)
  }
  if (inUri.pinFile === undefined && pin === undefined) {
    throw settingError(PIN, `is not set, and a pkcs11 URI of ${PROVIDERS} has no pin-source`)
  }
  return fromSetting(PROVIDERS, () => pkcs11KeyProvider({ uri, module, pin }))
}

/** Never more than the scheme: what stands behind it may be a secret in the wrong place. */
function scheme(uri: string): string {
  return /^[A-Za-z0-9+.-]{1,20}:/.exec(uri)?.[0] ?? 'an entry without a scheme'
}
