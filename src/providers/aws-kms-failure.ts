import type { ProviderFailure } from '../errors'

/** The four operations that the provider uses. */
export type KmsOperation = 'DescribeKey' | 'Encrypt' | 'Decrypt' | 'ReEncrypt'

/** What an error means, and what to do about it. */
export interface KmsFailure {
  /** Left out where it is not known: never retried. */
  readonly failure?: ProviderFailure
  readonly fix: string | ((operation: KmsOperation) => string)
}

const PASSING = 'it may pass by itself'
const CREDENTIALS =
  'give the process valid AWS credentials: a role, or the variables and files that the AWS SDK reads'

/**
 * By `error.name`: the classes of throttling, denial and validation are not exported by the SDK.
 *
 * @see https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
 */
const FAILURES: readonly (KmsFailure & { readonly names: readonly string[] })[] = [
  {
    failure: 'transient',
    names: [
      ...['ThrottlingException', 'Throttling', 'ThrottledException', 'TooManyRequestsException'],
      ...['RequestLimitExceeded', 'LimitExceededException', 'SlowDown'],
    ],
    fix: `the account's KMS request quota of this Region is used up; ${PASSING}`,
  },
  {
    failure: 'transient',
    names: ['KMSInternalException', 'InternalFailure', 'InternalServerError', 'InternalError'],
    fix: `an internal error of AWS KMS; ${PASSING}`,
  },
  {
    failure: 'transient',
    names: [
      ...['DependencyTimeoutException', 'KeyUnavailableException', 'ServiceUnavailable'],
      ...['ServiceUnavailableException', 'RequestTimeout', 'RequestTimeoutException'],
    ],
    fix: `AWS KMS could not reach the key in time; ${PASSING}`,
  },
  {
    failure: 'transient',
    names: ['TimeoutError', 'AbortError'],
    fix: 'no answer from AWS KMS in time; check the network and the endpoint if it goes on',
  },
  {
    // Nobody refused anything: so fails also the metadata service of a machine or container that does
    // not answer for a second, and keys in memory must outlive that.
    failure: 'transient',
    names: ['CredentialsProviderError'],
    fix: `the AWS SDK found no credentials; ${PASSING}, where a metadata service gives them; else ${CREDENTIALS}`,
  },
  {
    failure: 'state',
    names: ['DisabledException'],
    fix: 'the KMS key is disabled: enable it (EnableKey)',
  },
  {
    failure: 'state',
    names: ['KMSInvalidStateException'],
    fix: 'the KMS key is pending deletion, or its key store or import is not ready: cancel the deletion (CancelKeyDeletion) and enable it',
  },
  {
    failure: 'state',
    names: ['NotFoundException', 'InvalidArnException', 'ValidationException', 'ValidationError'],
    fix: 'there is no such KMS key here: check keyId, its account, and the Region of the client',
  },
  {
    failure: 'state',
    names: ['InvalidKeyUsageException', 'UnsupportedOperationException'],
    fix: 'the KMS key must be symmetric (SYMMETRIC_DEFAULT) and for encryption (ENCRYPT_DECRYPT)',
  },
  {
    failure: 'access',
    names: ['AccessDeniedException', 'AccessDenied', 'NotAuthorized', 'InvalidGrantTokenException'],
    fix: (operation) => `allow ${ACTIONS[operation]} in the key policy or the caller's IAM policy`,
  },
  {
    failure: 'access',
    names: [
      ...['TokenProviderError', 'UnrecognizedClientException', 'InvalidClientTokenId'],
      ...['MissingAuthenticationToken', 'MissingAuthenticationTokenException', 'OptInRequired'],
    ],
    fix: CREDENTIALS,
  },
  {
    failure: 'access',
    names: ['ExpiredTokenException', 'ExpiredToken', 'RequestExpired'],
    fix: `the AWS credentials have expired; ${CREDENTIALS}`,
  },
  {
    failure: 'access',
    names: [
      ...['InvalidSignatureException', 'IncompleteSignatureException', 'IncompleteSignature'],
      ...['SignatureDoesNotMatch'],
    ],
    fix: `the request's signature was refused: check the secret access key, the clock of this machine, and proxies that change requests; ${CREDENTIALS}`,
  },
  {
    failure: 'integrity',
    names: ['InvalidCiphertextException', 'IncorrectKeyException'],
    fix: 'it was wrapped by another KMS key or for another identity, or the stored wrap was changed',
  },
]

const ACTIONS: Record<KmsOperation, string> = {
  DescribeKey: 'kms:DescribeKey (or give keyId as the ARN of the key, which needs no such call)',
  Encrypt: 'kms:Encrypt for this encryption context',
  Decrypt: 'kms:Decrypt for this encryption context',
  ReEncrypt: 'kms:ReEncryptFrom on the source key and kms:ReEncryptTo on this one',
}

const BY_NAME: ReadonlyMap<string, KmsFailure> = new Map(
  FAILURES.flatMap((row) => row.names.map((name) => [name, row])),
)

/** No answer came. */
export const UNREACHABLE: KmsFailure = {
  failure: 'transient',
  fix: 'AWS KMS could not be reached: check the network, its TLS certificates, DNS and the endpoint',
}
/** An answer without a name that is known here, such as a load balancer's. */
export const UNWELL: KmsFailure = { failure: 'transient', fix: PASSING }
/** 401 or 403 in words that the SDK does not read. */
export const REFUSED: KmsFailure = { failure: 'access', fix: CREDENTIALS }

/** Of no class: better given up than retried without a reason. */
export const UNKNOWN: KmsFailure = {
  fix: 'mortise does not know this error; look it up in the documentation of AWS KMS',
}

/** The row of an error's name, if there is one. */
export function failureNamed(name: string): KmsFailure | undefined {
  return BY_NAME.get(name)
}
