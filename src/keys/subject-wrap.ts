import { keyIdBytes } from '../bytes'
import { unwrapKey, wrapKey } from '../crypto/key-wrap'
import type { SecretKey } from '../crypto/secret-key'
import type { SubjectKeyRecord } from '../key-store/store'
import { deriveSubjectWrapKey } from './derive'

/** What the wrap of a subject key is bound to. */
type SubjectIdentity = Pick<SubjectKeyRecord, 'id' | 'domain' | 'subjectRef'>

/**
 * Wraps a subject key under a `data` KEK, bound to its id and its subject_ref.
 *
 * @see docs/format.md "Keys": subject wrap
 */
export function wrapSubjectKey(kek: SecretKey, of: SubjectIdentity, key: Uint8Array): Buffer {
  return wrapKey(wrappingKey(kek, of), key)
}

/**
 * Inverse of {@link wrapSubjectKey}.
 *
 * @returns 32 bytes, or null where the wrap is not the one that was made for this record
 */
export function unwrapSubjectKey(kek: SecretKey, record: SubjectKeyRecord): Buffer | null {
  return unwrapKey(wrappingKey(kek, record), record.wrapped)
}

function wrappingKey(kek: SecretKey, { id, domain, subjectRef }: SubjectIdentity): SecretKey {
  return deriveSubjectWrapKey(kek, domain, keyIdBytes(id), subjectRef)
}
