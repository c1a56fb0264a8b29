import { kdf } from '../crypto/kdf'
import { unwrapKey, wrapKey } from '../crypto/key-wrap'
import { randomBytes } from '../crypto/random'
import { KEY_BYTES, type SecretKey, secretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import { contextParts } from './context'
import type { KeyContext, KeyProvider } from './provider'
import { redacted } from './redacted'

/** What {@link inAppKeyProvider} needs. */
export interface InAppKeyProviderOptions {
  /** 1 to 64 letters, digits, `.`, `_` or `-`; stored beside every wrap as `in-app:NAME`. */
  readonly name: string
  /** 32 random bytes, or base64 or base64url text of exactly 32 bytes; see {@link generateRootKey}. */
  readonly secret: Uint8Array | string
}

/** Part of every wrap's derivation; cannot change without a new format version. */
const LABEL = 'mortise/1/root-wrap'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/**
 * A provider whose root key is a secret of the application itself, given at start.
 *
 * The secret is copied into native memory and never leaves the provider again; whoever can read the
 * memory of the process can read it, which a KMS or an HSM would prevent. Wrapping costs two local
 * operations, no I/O. The caller still owns, and may zero, a secret given as bytes.
 *
 * @param options - name and secret; the same pair opens what it once wrapped, for ever
 * @returns a provider with the URI `in-app:NAME`
 * @throws ERR_CONFIG for a name that is not an identifier, a secret of another length, or one that
 * is plainly not random (one repeated byte, or nothing but printable characters)
 * @see docs/format.md "Keys": in-app wrap
 */
export function inAppKeyProvider(options: InAppKeyProviderOptions): KeyProvider {
  const { name } = options
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new MortiseError(
      'ERR_CONFIG',
      "the name of an in-app key provider must be 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
    )
  }
  const uri = `in-app:${name}`
  const secret = importSecret(options.secret, uri)
  return redacted({
    uri,
    wrapKey: async (key, context) => wrapKey(wrappingKey(secret, context), key),
    unwrapKey: async (wrapped, context) => {
      const key = unwrapKey(wrappingKey(secret, context), wrapped)
      if (key === null) throw doesNotOpen(uri, context)
      return key
    },
  })
}

/**
 * A new root key for {@link inAppKeyProvider}: 32 random bytes as base64url text.
 *
 * Keep it where configuration secrets are kept; without it nothing that it wrapped can be opened.
 *
 * @returns 43 characters
 */
export function generateRootKey(): string {
  const bytes = randomBytes(KEY_BYTES)
  const text = bytes.toString('base64url')
  bytes.fill(0)
  return text
}

function wrappingKey(secret: SecretKey, context: KeyContext): SecretKey {
  const bytes = kdf(secret, LABEL, ...contextParts(context))
  const key = secretKey(bytes)
  bytes.fill(0)
  return key
}

function importSecret(secret: unknown, uri: string): SecretKey {
  const bytes = secretBytes(secret, uri)
  if (looksChosen(bytes)) {
    throw new MortiseError(
      'ERR_CONFIG',
      `the secret of ${uri} is not random: make one with generateRootKey(); a passphrase cannot serve as a root key`,
    )
  }
  const key = secretKey(bytes)
  bytes.fill(0)
  return key
}

/** A copy, so that zeroing it leaves the caller's bytes alone. */
function secretBytes(secret: unknown, uri: string): Buffer {
  const bytes =
    typeof secret === 'string'
      ? decodeSecret(secret)
      : isByteArray(secret)
        ? Buffer.concat([secret])
        : null
  if (bytes?.length === KEY_BYTES) return bytes
  throw new MortiseError(
    'ERR_CONFIG',
    `the secret of ${uri} must be ${KEY_BYTES} bytes, or base64 or base64url text of ${KEY_BYTES} bytes (43 characters, or 44 with '='); make one with generateRootKey()`,
  )
}

/** By tag, not by `instanceof`: test runners give application code a realm of its own. */
function isByteArray(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === '[object Uint8Array]'
}

/** Either alphabet, with or without padding, in its one canonical spelling. */
function decodeSecret(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  const spellings = [bytes.toString('base64'), bytes.toString('base64url')]
  const unpadded = spellings.map((spelling) => spelling.replace(/=$/, ''))
  const padded = unpadded.map((spelling) => `${spelling}=`)
  return [...unpadded, ...padded].includes(text) ? bytes : null
}

/** 32 random bytes are all printable once in 6e13 keys, and all equal once in 4e74. */
function looksChosen(bytes: Buffer): boolean {
  return (
    bytes.every((byte) => byte === bytes[0]) || bytes.every((byte) => byte >= 0x20 && byte <= 0x7e)
  )
}

function doesNotOpen(uri: string, context: KeyContext): MortiseError {
  return new MortiseError(
    'ERR_KEY_INTEGRITY',
    `key ${context.id} (domain ${context.domain}, ${context.purpose}, version ${context.version}) does not open with ${uri}: the provider has another secret than the one that wrapped it, or the stored wrap or its identity was changed`,
    { failure: 'integrity' },
  )
}
