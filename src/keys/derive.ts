import { keyIdBytes, u8, u32 } from '../bytes'
import { kdf } from '../crypto/kdf'
import { type SecretKey, secretKey } from '../crypto/secret-key'
import type { IndexRecord, KeyRecord } from '../key-store/store'
import type { DataKey, TokenKey } from './access'

/** What a KEK is bound to. */
export type KekIdentity = Pick<KeyRecord, 'id' | 'domain' | 'purpose' | 'version'>

/** A KEK is KDF input only, under one label per use: these cannot change within format 1. */
const KCV_LABEL = 'mortise/1/kcv'
const DEK_WRAP_LABEL = 'mortise/1/dek-wrap'
const SUBJECT_WRAP_LABEL = 'mortise/1/subject-wrap'
const INDEX_LABEL = 'mortise/1/index'

/**
 * The check value of a KEK: proves that a wrap held this key and no other.
 *
 * @see docs/format.md "Keys": kcv
 */
export function keyCheckValue(kek: SecretKey, identity: KekIdentity): Buffer {
  const { domain, purpose, id, version } = identity
  return kdf(kek, KCV_LABEL, domain, purpose, keyIdBytes(id), u32(version))
}

/**
 * Reduces a `data` KEK to the one key that sealing and opening need.
 *
 * @see docs/format.md "Keys": DEK wrap
 */
export function deriveDataKey(kek: SecretKey, identity: KekIdentity): DataKey {
  const { id, domain, version } = identity
  const idBytes = keyIdBytes(id)
  const dekWrapKey = derive(kek, DEK_WRAP_LABEL, domain, 'data', idBytes)
  return { id, idBytes, domain, version, dekWrapKey }
}

/**
 * The key that wraps one subject key, bound to its id and its subject.
 *
 * @see docs/format.md "Keys": subject wrap
 */
export function deriveSubjectWrapKey(
  kek: SecretKey,
  domain: string,
  idBytes: Uint8Array,
  subjectRef: Uint8Array,
): SecretKey {
  return derive(kek, SUBJECT_WRAP_LABEL, domain, idBytes, subjectRef)
}

/**
 * Reduces a subject key to the one key that sealing and opening need.
 *
 * @see docs/format.md "Keys": DEK wrap with b2
 */
export function deriveSubjectKey(
  subjectKey: SecretKey,
  domain: string,
  idBytes: Uint8Array,
): SecretKey {
  return derive(subjectKey, DEK_WRAP_LABEL, domain, 'subject', idBytes)
}

/** An index record that has a key of its own. */
export type KeyedIndexRecord = IndexRecord & {
  readonly indexKeyId: string
  readonly normaliser: string
  readonly bits: number
}

/**
 * The key of the exact tokens that `record` describes.
 *
 * @see docs/format.md "Index tokens": index key
 */
export function deriveTokenKey(kek: SecretKey, record: KeyedIndexRecord): TokenKey {
  const { domain, kind, name, normaliser, bits, generation } = record
  const parts = [domain, kind, name, 'exact', normaliser, u32(bits), u8(generation)]
  return { key: derive(kek, INDEX_LABEL, ...parts), generation, bits }
}

function derive(kek: SecretKey, ...parts: readonly (Uint8Array | string)[]): SecretKey {
  const bytes = kdf(kek, ...parts)
  const key = secretKey(bytes)
  bytes.fill(0)
  return key
}
