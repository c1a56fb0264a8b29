import { asBuffer, encodeParts } from '../bytes'
import { equalConstantTime, hmacSha512 } from '../crypto/hash'
import { unwrapKey } from '../crypto/key-wrap'
import { KEY_BYTES, type SecretKey, secretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { OpeningKey, ProviderKey } from '../keys/access'
import { MAX_PROVIDER_WRAP_BYTES } from './format'

const ONE = Buffer.of(1)

/** What one HMAC derives from a DEK. */
export interface RecordKey {
  readonly encryptionKey: SecretKey
  /** Public: stored in the envelope, pins the DEK that a ciphertext opens under. */
  readonly commitment: Buffer
}

/**
 * OKM = HMAC-SHA-512(DEK, E("mortise/1/record", domain) | 0x01): encryption key | commitment.
 *
 * @see docs/format.md "Keys"
 */
export function deriveRecordKey(dek: Uint8Array, domain: string): RecordKey {
  return useKeyMaterial(dek, domain, (encryptionKey, commitment) => {
    return { encryptionKey: encryptionKey(), commitment }
  })
}

const infos = new Map<string, Buffer>()

/** What is hashed under each DEK of a domain: E("mortise/1/record", domain) | 0x01. */
export function recordInfo(domain: string): Buffer {
  const known = infos.get(domain)
  if (known) return known
  const info = Buffer.concat([encodeParts('mortise/1/record', domain), ONE])
  infos.set(domain, info)
  return info
}

/** The encryption key is made where it is asked for: a rewrap needs the commitment alone. */
function useKeyMaterial<T>(
  dek: Uint8Array,
  domain: string,
  use: (encryptionKey: () => SecretKey, commitment: Buffer) => T,
): T {
  const okm = hmacSha512(secretKey(dek), recordInfo(domain))
  try {
    return use(() => secretKey(okm.subarray(0, KEY_BYTES)), okm.subarray(KEY_BYTES))
  } finally {
    okm.fill(0, 0, KEY_BYTES)
  }
}

/**
 * Steps 4 and 5 of opening: unwraps the DEK and compares the commitment. The only way to a stored
 * DEK; it is zeroed when `use` returns.
 *
 * @returns what `use` returns, or null where the wrap does not authenticate or the commitment differs
 */
export function withDek<T>(
  key: OpeningKey,
  wrappedDek: Uint8Array,
  commitment: Uint8Array,
  use: (dek: Buffer, encryptionKey: () => SecretKey) => T,
): T | null {
  const dek = unwrapDek(key, wrappedDek)
  if (dek === null) return null
  try {
    return useKeyMaterial(dek, key.domain, (encryptionKey, derived) =>
      equalConstantTime(derived, commitment) ? use(dek, encryptionKey) : null,
    )
  } finally {
    dek.fill(0)
  }
}

/**
 * Has the provider of a key wrap a DEK: one call.
 *
 * A provider that zeroes what it is given would wrap zeros where its first attempt is retried, and the
 * record would be lost or sealed under a key that everybody knows.
 *
 * @returns 1 to 1024 bytes
 * @throws ERR_KEY_PROVIDER where `dek` is no longer the one that the commitment pins
 */
export async function wrapByProvider(
  key: ProviderKey,
  dek: Uint8Array,
  commitment: Uint8Array,
): Promise<Uint8Array> {
  const wrapped = await key.wrapDek(dek)
  if (wrapped.length < 1 || wrapped.length > MAX_PROVIDER_WRAP_BYTES) {
    throw new RangeError(`a provider's wrap is 1 to ${MAX_PROVIDER_WRAP_BYTES} bytes`)
  }
  if (equalConstantTime(deriveRecordKey(dek, key.domain).commitment, commitment)) return wrapped
  throw new MortiseError(
    'ERR_KEY_PROVIDER',
    `the provider of key ${key.id} changed the DEK that it was given to wrap, so its wrap is not to be trusted; run providerConformance of mortise/testing on it`,
  )
}

function unwrapDek(key: OpeningKey, wrappedDek: Uint8Array): Buffer | null {
  if (!('deks' in key)) return unwrapKey(key.dekWrapKey, wrappedDek)
  const dek = key.deks.get(asBuffer(wrappedDek).toString('latin1'))
  return dek === undefined ? null : dek.export()
}
