import { accessDenied } from './access'
import type { KmsCall } from './call-log'
import { invalidCiphertext } from './ciphertext'
import { incorrectKey, KmsError } from './kms-error'
import { throttled } from './request-quota'

/** Errors that AWS KMS answers under a name of their own. */
export type KmsFaultName =
  | 'throttled'
  | 'disabled'
  | 'pending-deletion'
  | 'not-found'
  | 'denied'
  | 'expired-credentials'
  | 'incorrect-key'
  | 'invalid-ciphertext'
  | 'invalid-key-usage'
  | 'limit-exceeded'
  | 'key-unavailable'
  | 'dependency-timeout'
  | 'internal'
  | 'unavailable'

const ERRORS: Readonly<Record<KmsFaultName, (key: string, call: KmsCall) => KmsError>> = {
  throttled: () => throttled(),
  disabled: (key) => new KmsError('DisabledException', `${key} is disabled.`),
  'pending-deletion': (key) =>
    new KmsError('KMSInvalidStateException', `${key} is pending deletion.`),
  'not-found': (key) => new KmsError('NotFoundException', `Key '${key}' does not exist`),
  denied: (key, { caller, operation }) => accessDenied(caller, operation, key),
  'expired-credentials': () =>
    new KmsError('ExpiredTokenException', 'The security token included in the request is expired'),
  'incorrect-key': () => incorrectKey(),
  'invalid-ciphertext': () => invalidCiphertext(),
  'invalid-key-usage': (key) =>
    new KmsError(
      'InvalidKeyUsageException',
      `${key} key usage is SIGN_VERIFY which is not valid for this operation.`,
    ),
  'limit-exceeded': () => new KmsError('LimitExceededException', 'A quota was exceeded.'),
  'key-unavailable': () =>
    new KmsError('KeyUnavailableException', 'The key is not available.', 500),
  'dependency-timeout': () =>
    new KmsError('DependencyTimeoutException', 'The request timed out.', 500),
  internal: () => new KmsError('KMSInternalException', 'An internal error occurred.', 500),
  unavailable: () => new KmsError('ServiceUnavailableException', 'Service Unavailable', 503),
}

/** The error that KMS answers, for the key and the caller of the request. */
export function faultError(name: KmsFaultName, call: KmsCall): KmsError {
  return ERRORS[name](call.keyArn ?? call.keyId ?? 'the key', call)
}
