import { equalConstantTime } from '../crypto/hash'
import { KEY_BYTES, type SecretKey, secretKey } from '../crypto/secret-key'
import { isMortiseError, MortiseError } from '../errors'
import type { KeyRecord, KeyWrap } from '../key-store/store'
import type { KeyContext, KeyProvider, ProviderCallOptions } from '../providers/provider'
import type { DataKey } from './access'
import { deriveDataKey, type KekIdentity, keyCheckValue } from './derive'
import { eventKey, type KeyEventHandler } from './events'
import type { GuardedProvider } from './guarded-provider'
import { hedge } from './hedge'
import { failureOf } from './provider-failure'
import type { ProviderSet } from './provider-set'
import { unlockFailure } from './unlock-failure'

/** No answer for this long starts the next wrap. */
const HEDGE_MS = 250
/** Of a candidate that turned out to be another provider than those that wrap the key. */
const NO_WRAP = new RangeError('this provider wraps another key')

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
 * Opens a key by any of its wraps, in the order in which their providers are configured: the next one
 * is asked when one fails, or does not answer within 250 ms, and the first that opens the key wins.
 *
 * A wrap that fails its integrity check closes the key, whatever another wrap holds: going on would
 * let whoever can write the key store choose which wrap is used.
 *
 * @throws ERR_KEY_INTEGRITY where a wrap or the check value does not belong to the key
 * @throws ERR_KEY_PROVIDER where no configured provider opened it; see {@link unlockFailure}
 */
export async function unlockKey(
  record: KeyRecord,
  providers: Pick<ProviderSet, 'candidates'>,
  emit: KeyEventHandler,
): Promise<UnlockedKey> {
  const uris = new Set(record.wraps.map(({ providerUri }) => providerUri))
  const candidates = providers.candidates(uris)
  const outcome = await hedge(
    candidates.map((provider) => (signal) => openBy(provider, record, signal, emit)),
    {
      delayMs: HEDGE_MS,
      isFinal: (error) => failureOf(error) === 'integrity' || isMortiseError(error, 'ERR_CLOSED'),
      onHedge: (index) => {
        const providerUri = candidates[index]?.uri ?? ''
        emit({ type: 'key-hedged', ...eventKey(record), providerUri })
      },
    },
  )
  if ('errors' in outcome)
    throw unlockFailure(
      record,
      outcome.errors.filter((error) => error !== NO_WRAP),
    )
  return outcome.value
}

/** A provider that was not opened before may turn out to have no wrap of the key. */
async function openBy(
  provider: GuardedProvider,
  record: KeyRecord,
  signal: AbortSignal,
  emit: KeyEventHandler,
): Promise<UnlockedKey> {
  try {
    await provider.open({ signal })
    const wrap = record.wraps.find(({ providerUri }) => providerUri === provider.uri)
    if (wrap === undefined) throw NO_WRAP
    return await openWrap(record, wrap, provider, { signal })
  } catch (error) {
    if (isMortiseError(error)) report(error, record, provider.uri, emit)
    throw error
  }
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

function report(
  error: MortiseError,
  record: KeyRecord,
  providerUri: string,
  emit: KeyEventHandler,
): void {
  const about = { ...eventKey(record), providerUri }
  const failure = failureOf(error)
  if (error.code === 'ERR_CLOSED') return
  if (failure === 'integrity') emit({ type: 'key-integrity', ...about })
  else emit({ type: 'provider-unavailable', ...about, failure, retryable: error.retryable })
}

function notThisKey(record: KeyRecord, wrap: KeyWrap, what: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_INTEGRITY',
    `what ${wrap.providerUri} unwrapped for key ${record.id} (domain ${record.domain}, ${record.purpose}, version ${record.version}) ${what}: the key store was changed; restore it from a backup`,
    { failure: 'integrity' },
  )
}
