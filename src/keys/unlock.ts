import { equalConstantTime } from '../crypto/hash'
import { KEY_BYTES, type SecretKey, secretKey } from '../crypto/secret-key'
import { isMortiseError, MortiseError } from '../errors'
import type { KeyRecord, KeyWrap } from '../key-store/store'
import type { KeyContext, KeyProvider, ProviderCallOptions } from '../providers/provider'
import type { DataKey } from './access'
import { deriveDataKey, type KekIdentity, keyCheckValue } from './derive'
import { eventKey, type KeyEventHandler } from './events'
import type { ProviderSet } from './provider-set'

/** A KEK after its wrap was opened and checked, reduced to what its purpose needs. */
export type UnlockedKey =
  | {
      readonly purpose: 'data'
      readonly providerUri: string
      /** Wraps subject keys. */
      readonly kek: SecretKey
      readonly dataKey: DataKey
    }
  | { readonly purpose: 'index'; readonly providerUri: string; readonly kek: SecretKey }

/** The identity that a provider binds into the wrap of a KEK. */
export function kekContext({ domain, purpose, id, version }: KekIdentity): KeyContext {
  return { use: 'kek', domain, purpose, id, version }
}

/**
 * Opens one wrap of a key, and no other, and compares the check value: the proof that this provider
 * opens this key. One provider call; nothing is cached and no event is emitted.
 *
 * @throws ERR_KEY_INTEGRITY where the wrap or the check value does not belong to the key
 * @throws ERR_KEY_PROVIDER where the provider could not be asked or refused
 */
export async function openWrap(
  record: KeyRecord,
  wrap: KeyWrap,
  provider: KeyProvider,
  options: ProviderCallOptions = {},
): Promise<UnlockedKey> {
  const bytes = await provider.unwrapKey(wrap.wrapped, kekContext(record), options)
  return checkKey(bytes, record, wrap)
}

/**
 * Opens a key by any of its wraps, in the order in which their providers are configured.
 *
 * @throws ERR_KEY_INTEGRITY where a wrap or the check value does not belong to the key
 * @throws ERR_KEY_PROVIDER where no configured provider could open it
 */
export async function unlockKey(
  record: KeyRecord,
  providers: Pick<ProviderSet, 'candidates'>,
  emit: KeyEventHandler,
): Promise<UnlockedKey> {
  let unavailable: MortiseError | undefined
  const uris = new Set(record.wraps.map(({ providerUri }) => providerUri))
  for (const provider of providers.candidates(uris)) {
    await provider.open()
    const wrap = record.wraps.find(({ providerUri }) => providerUri === provider.uri)
    if (wrap === undefined) continue
    try {
      return await openWrap(record, wrap, provider)
    } catch (error) {
      report(error, record, wrap, emit)
      if (!isMortiseError(error, 'ERR_KEY_PROVIDER') || !error.retryable) throw error
      unavailable = error
    }
  }
  if (unavailable !== undefined) throw unavailable
  return notConfigured(record)
}

/** Imports the key, zeroes the bytes, and compares the check value. */
function checkKey(bytes: Uint8Array, record: KeyRecord, wrap: KeyWrap): UnlockedKey {
  if (bytes.length !== KEY_BYTES) throw notThisKey(record, wrap, 'has another length')
  const kek = secretKey(bytes)
  bytes.fill(0)
  if (!equalConstantTime(keyCheckValue(kek, record), record.kcv)) {
    throw notThisKey(record, wrap, 'does not match its check value')
  }
  const { providerUri } = wrap
  return record.purpose === 'data'
    ? { purpose: 'data', providerUri, kek, dataKey: deriveDataKey(kek, record) }
    : { purpose: 'index', providerUri, kek }
}

function report(error: unknown, record: KeyRecord, wrap: KeyWrap, emit: KeyEventHandler): void {
  const about = { ...eventKey(record), providerUri: wrap.providerUri }
  if (isMortiseError(error, 'ERR_KEY_INTEGRITY')) emit({ type: 'key-integrity', ...about })
  if (isMortiseError(error, 'ERR_KEY_PROVIDER')) {
    emit({ type: 'provider-unavailable', ...about, retryable: error.retryable })
  }
}

function notThisKey(record: KeyRecord, wrap: KeyWrap, what: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_INTEGRITY',
    `what ${wrap.providerUri} unwrapped for key ${record.id} (domain ${record.domain}, ${record.purpose}, version ${record.version}) ${what}: the key store was changed; restore it from a backup`,
  )
}

/** The error of a key that no configured provider wraps. */
export function notConfigured(record: KeyRecord): never {
  const uris = record.wraps.map(({ providerUri }) => providerUri).join(', ')
  throw new MortiseError(
    'ERR_KEY_PROVIDER',
    `key ${record.id} (domain ${record.domain}, ${record.purpose}, version ${record.version}) is wrapped by ${uris || 'no provider'}, none of which this keyring has; add that provider to createKeyring`,
  )
}
