import { KEY_BYTES } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import { type PinSource, pinFromFile } from './pkcs11/pin'
import { ReconnectingToken } from './pkcs11/reconnecting'
import { formatPkcs11Uri, type Pkcs11KeyName, parsePkcs11Uri } from './pkcs11/uri'
import { unwrapByToken, wrapByToken } from './pkcs11/wrapping'
import type { KeyProvider } from './provider'
import { redacted } from './redacted'

/** What {@link pkcs11KeyProvider} needs: a key named by labels, or by a PKCS#11 URI. */
export type Pkcs11KeyProviderOptions = Pkcs11KeyOptions | Pkcs11UriOptions

/** A key named by labels. */
export interface Pkcs11KeyOptions {
  /** Path of the PKCS#11 library, for example `/usr/lib/softhsm/libsofthsm2.so`. */
  readonly module: string
  /** Label of the token. */
  readonly token: string
  /** Label of the key (CKA_LABEL). */
  readonly key?: string | undefined
  /** CKA_ID of the key as hex digits, where several keys have one label. */
  readonly keyId?: string | undefined
  /** The user PIN, or a function that fetches it at each login. */
  readonly pin: PinSource
}

/** A key named by a URI. What the URI leaves out stands beside it; nothing may be given twice. */
export interface Pkcs11UriOptions {
  /** `pkcs11:token=…;object=…?module-path=…&pin-source=file:…` (RFC 7512). */
  readonly uri: string
  /** Path of the library, where the URI has no `module-path`. */
  readonly module?: string | undefined
  /** The PIN, where the URI has no `pin-source`. */
  readonly pin?: PinSource | undefined
}

/**
 * A provider whose root key is an AES-256 key of a hardware security module, reached by PKCS#11. The
 * root key never leaves the HSM; keys are wrapped and unwrapped inside it.
 *
 * Uses AES key wrap where the HSM has it for that key, AES-GCM otherwise. Nothing is loaded or
 * contacted before the first call. Up to four sessions; a lost one is replaced and its call tried
 * once more. A PIN that the token refused is never tried again by the same provider.
 *
 * @param options - module, token, key and PIN; or the URI of a key
 * @returns a provider with the URI `pkcs11:token=…;object=…`, never with a PIN or a path
 * @throws ERR_CONFIG for a missing or contradictory option. Its calls throw ERR_CONFIG where
 * pkcs11js is not installed or the library cannot be loaded, ERR_KEY_PROVIDER with `failure`, and
 * ERR_KEY_INTEGRITY
 * @see docs/format.md "Keys": PKCS#11 wrap; docs/how-to/use-an-hsm.md
 */
export function pkcs11KeyProvider(options: Pkcs11KeyProviderOptions): KeyProvider {
  const target = readOptions(options)
  const { uri } = target
  const token = new ReconnectingToken(target)
  return redacted({
    uri,
    wrapKey: async (key, context, { signal } = {}) => {
      if (key.length !== KEY_BYTES) throw new RangeError(`a wrapped key holds ${KEY_BYTES} bytes`)
      return token.run('wrap', (place) => wrapByToken(place, key, context), signal)
    },
    unwrapKey: async (wrapped, context, { signal } = {}) =>
      token.run('unwrap', (place) => unwrapByToken(place, wrapped, context), signal),
    close: () => token.close(),
  })
}

function readOptions(options: Pkcs11KeyProviderOptions): {
  uri: string
  name: Pkcs11KeyName
  module: string
  pin: PinSource
} {
  const given = (options ?? {}) as Partial<Pkcs11KeyOptions & Pkcs11UriOptions>
  const parsed = given.uri === undefined ? undefined : parsePkcs11Uri(given.uri)
  if (parsed && (given.token ?? given.key ?? given.keyId) !== undefined) {
    throw config('takes the key from uri or from token, key and keyId, not from both')
  }
  const { token = '', key, keyId } = parsed ?? given
  const name = { token, key, keyId }
  const uri = formatPkcs11Uri(name)
  const module = eitherOr(given.module, parsed?.module, 'module', 'module-path')
  if (typeof module !== 'string' || module === '' || module.includes('\0')) {
    throw config('needs the option module: the path of the PKCS#11 library')
  }
  const fromUri = parsed?.pinFile && pinFromFile(parsed.pinFile)
  const pin = eitherOr(given.pin, fromUri, 'pin', 'pin-source')
  if (typeof pin !== 'function' && (typeof pin !== 'string' || pin === '')) {
    throw config('needs the option pin: the PIN, or a function that fetches it')
  }
  return { uri, name, module, pin }
}

function eitherOr<T>(
  option: T | undefined,
  inUri: T | undefined,
  name: string,
  attribute: string,
): T | undefined {
  if (option !== undefined && inUri !== undefined && inUri !== '') {
    throw config(`has the option ${name} and a URI with ${attribute}: give one of them`)
  }
  return option ?? inUri
}

function config(problem: string): MortiseError {
  return new MortiseError('ERR_CONFIG', `a PKCS#11 key provider ${problem}`)
}
