import { equalConstantTime } from '../crypto/hash'
import { randomBytes } from '../crypto/random'
import { KEY_BYTES, secretKey } from '../crypto/secret-key'
import { isMortiseError, MortiseError } from '../errors'
import type { KeyRecord, KeyWrap } from '../key-store/store'
import type { KeyProvider, KeyPurpose } from '../providers/provider'
import { keyCheckValue } from './derive'
import { makeWrap } from './make-wrap'
import { dekContext } from './provider-keys'
import type { ProviderSet } from './provider-set'
import type { UnlockedKey } from './unlock'
import { checkWrappedLength } from './wrapped-length'

const KEY_ID_BYTES = 8

/** Where a new key stands. */
export interface KeyPlace {
  readonly domain: string
  readonly purpose: KeyPurpose
  readonly version: number
}

/** A key that is wrapped and proven, but not yet committed to any store. */
export interface NewKey {
  readonly record: KeyRecord
  /** `null` for a key without material. */
  readonly unlocked: UnlockedKey | null
  /** Providers that wrap the key before it and could not wrap this one. */
  readonly missing: readonly string[]
}

/**
 * Draws a new KEK and wraps it: by the first provider, and by every other one that wraps the key
 * which it follows. What a provider returned is opened again before anything is stored: a wrap that
 * cannot be opened would lose every value sealed under the key.
 *
 * @param kept - URIs of the providers that wrap the key before it
 * @throws ERR_KEY_PROVIDER where the first provider cannot wrap, or not open again
 * @throws ERR_KEY_INTEGRITY where a wrap, of whichever provider, does not open to the key
 */
export async function createKey(
  place: KeyPlace,
  providers: ProviderSet,
  kept: readonly string[],
): Promise<NewKey> {
  const first = await providers.first()
  const bytes = randomBytes(KEY_BYTES)
  const kek = secretKey(bytes)
  bytes.fill(0)
  const key = newRecord(place)
  const bare = { ...key, kcv: keyCheckValue(kek, key) }
  const { wrap, unlocked } = await makeWrap(kek, bare, first)
  const others = kept.filter((uri) => uri !== first.uri)
  const wraps = await Promise.all(
    others.map((uri) => unlessUnavailable(() => wrapBy(uri, providers, kek, bare))),
  )
  const record = { ...bare, wraps: [wrap, ...wraps.filter((made) => made !== null)] }
  const missing = others.filter((_, i) => wraps[i] === null)
  return { record, unlocked, missing }
}

/**
 * Makes a key without material, whose provider wraps each DEK itself, after that provider has wrapped
 * and opened 32 random bytes for it.
 *
 * @throws ERR_KEY_PROVIDER where the provider cannot wrap, or not open again
 * @throws ERR_KEY_INTEGRITY where it opens what it wrapped to other bytes
 */
export async function createProviderKey(place: KeyPlace, provider: KeyProvider): Promise<NewKey> {
  const key = newRecord(place)
  const probe = randomBytes(KEY_BYTES)
  const wrapped = await provider.wrapKey(probe, dekContext(key))
  checkWrappedLength(wrapped, 'a wrapped DEK', provider.uri)
  if (!equalConstantTime(await provider.unwrapKey(wrapped, dekContext(key)), probe)) {
    throw new MortiseError(
      'ERR_KEY_INTEGRITY',
      `${provider.uri} does not open what it wrapped itself: it cannot wrap DEKs`,
      { failure: 'integrity' },
    )
  }
  const { uri: providerUri } = provider
  const wrap = { providerUri, wrapped: new Uint8Array(0), createdAt: key.createdAt }
  return { record: { ...key, wraps: [wrap] }, unlocked: null, missing: [] }
}

function newRecord(place: KeyPlace): KeyRecord {
  const id = randomBytes(KEY_ID_BYTES).toString('hex')
  const createdAt = new Date()
  const dates = { createdAt, stateChangedAt: createdAt }
  return { ...place, ...dates, id, state: 'active', kcv: new Uint8Array(0), epoch: 0, wraps: [] }
}

async function wrapBy(
  uri: string,
  providers: ProviderSet,
  kek: UnlockedKey['kek'],
  key: KeyRecord,
): Promise<KeyWrap | null> {
  const provider = await providers.get(uri)
  return provider === undefined ? null : (await makeWrap(kek, key, provider)).wrap
}

/** One provider of several that is down must not keep anybody from rotating. */
async function unlessUnavailable(wrap: () => Promise<KeyWrap | null>): Promise<KeyWrap | null> {
  try {
    return await wrap()
  } catch (error) {
    if (isMortiseError(error, 'ERR_KEY_PROVIDER')) return null
    throw error
  }
}
