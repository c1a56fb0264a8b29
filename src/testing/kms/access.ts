import { grantCovers } from './grant'
import type { Key } from './key'
import { KmsError } from './kms-error'
import type { EncryptionContext } from './parameters'
import type { KmsRequest } from './request'

/**
 * Refuses a caller that may not use a key so. A restricted key is for its owner, and for what its
 * grants say; every other key is for every caller of the account.
 *
 * @param action - the name that policies and grants use, which for ReEncrypt is not the operation's
 * @throws AccessDeniedException
 */
export function authorize(
  request: KmsRequest,
  key: Key,
  action: string = request.operation,
  context: EncryptionContext | null = null,
): void {
  const { caller } = request
  if (!key.restricted || key.owner === caller.arn) return
  const grants = [...key.grants.values()].filter(({ grantee }) => grantee === caller.arn)
  if (grants.some((grant) => grantCovers(grant, action, context))) return
  throw accessDenied(caller.arn, action, key.arn)
}

/** The error for a caller that is known and not allowed. */
export function accessDenied(caller: string, action: string, resource: string): KmsError {
  return new KmsError(
    'AccessDeniedException',
    `User: ${caller} is not authorized to perform: kms:${action} on resource: ${resource} because no resource-based policy allows the kms:${action} action`,
  )
}

/**
 * Refuses a key that is disabled or about to be deleted.
 *
 * @throws KMSInvalidStateException, DisabledException
 */
export function requireEnabled(key: Key): void {
  requireNotPending(key)
  if (!key.enabled) throw new KmsError('DisabledException', `${key.arn} is disabled.`)
}

/** @throws KMSInvalidStateException for a key that is about to be deleted */
export function requireNotPending(key: Key): void {
  if (key.deletion === null) return
  throw new KmsError('KMSInvalidStateException', `${key.arn} is pending deletion.`)
}
