import type { SecretKey } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import type { IndexRecord } from '../key-store/store'
import type { TokenKey } from './access'
import { deriveTokenKey, type KeyedIndexRecord } from './derive'
import type { UnlockedKey } from './unlock'

/**
 * Token keys derived so far, kept beside the index KEK they come from: when the cache lets go of
 * that one, at its TTL or when it is disabled, its derived keys go with it.
 */
export class TokenKeys {
  readonly #derived = new WeakMap<SecretKey, Map<string, TokenKey>>()

  get(kek: SecretKey, record: KeyedIndexRecord): TokenKey {
    const keys = this.#derived.get(kek) ?? new Map<string, TokenKey>()
    this.#derived.set(kek, keys)
    const { kind, name, generation, normaliser, bits } = record
    const text = JSON.stringify([kind, name, generation, normaliser, bits])
    const known = keys.get(text)
    if (known !== undefined) return known
    const key = deriveTokenKey(kek, record)
    keys.set(text, key)
    return key
  }
}

/** @throws ERR_CONFIG for a field without an exact index of its own */
export function keyedRecord(record: IndexRecord): KeyedIndexRecord {
  const { indexKeyId, normaliser, bits } = record
  if (indexKeyId !== null && normaliser !== null && bits !== null) {
    return { ...record, indexKeyId, normaliser, bits }
  }
  throw new MortiseError('ERR_CONFIG', `${record.name} has no exact index of its own`, {
    field: record.name,
  })
}

/** The index KEK of an unlocked key. */
export function indexKekOf(unlocked: UnlockedKey): SecretKey {
  if (unlocked.purpose === 'index') return unlocked.kek
  throw new RangeError('a data key derives no tokens')
}
