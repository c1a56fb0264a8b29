import { MortiseError } from '../errors'
import type { KeyRecord } from '../key-store/store'
import type { KeyPurpose } from '../providers/provider'

/** Sealing: the latest version, and that one must be active. */
export function checkSeals(record: KeyRecord): void {
  if (record.state === 'active') return
  throw new MortiseError(
    'ERR_KEY_STATE',
    `the latest ${record.purpose} key of domain ${record.domain}, ${record.id} (version ${record.version}), is ${record.state}, and only an active key seals; run rotateKek with purpose '${record.purpose}'`,
  )
}

/** Whether values and tokens made under the key may still be used. */
export function isUsable(record: Pick<KeyRecord, 'state'>): boolean {
  return record.state === 'active' || record.state === 'decrypt-only'
}

/** Opening, and deriving tokens: active and decrypt-only keys. */
export function checkUsable(record: KeyRecord): void {
  if (isUsable(record)) return
  const fix = record.state === 'disabled' ? '; enableKey makes it usable again' : ''
  throw new MortiseError(
    'ERR_KEY_STATE',
    `${record.purpose} key ${record.id} (domain ${record.domain}, version ${record.version}) is ${record.state}${fix}`,
  )
}

/** A key that is not there, of another domain, or of another purpose: one error, one message. */
export function keyNotFound(
  id: string,
  domain: string,
  purpose?: KeyPurpose | 'subject',
): MortiseError {
  const key = purpose === undefined ? 'key' : `${purpose} key`
  return new MortiseError(
    'ERR_KEY_NOT_FOUND',
    `the key store has no ${key} ${id} in domain ${domain}; check the keyring's domain, and that its store is the one the data was sealed with`,
  )
}

/**
 * The one error of a value whose subject key was destroyed on purpose.
 *
 * @param field - `Entity.property` or field id, where it is known
 */
export function subjectShredded(id: string, at: Date, field?: string): MortiseError {
  return new MortiseError(
    'ERR_SUBJECT_SHREDDED',
    `${field ?? 'the value'} was sealed under subject key ${id}, which was destroyed on ${at.toISOString()}: the value is gone for good; the option shredded: 'null' reads such values as null`,
    { field },
  )
}

/** Refuses the use of a key that never was in any process. */
export function noLocalKey({ id, domain }: KeyRecord): MortiseError {
  return new MortiseError(
    'ERR_CONFIG',
    `the active data key ${id} of domain ${domain} has no key material, because its provider wraps every DEK: this needs a keyring with wrapping 'local'`,
  )
}
