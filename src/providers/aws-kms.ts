import { MortiseError } from '../errors'
import { checkKmsKeyId, regionOf } from './aws-kms-arn'
import { connectKms, type KmsClient } from './aws-kms-client'
import { AwsKmsKey } from './aws-kms-key'
import type { KeyProvider } from './provider'
import { redacted } from './redacted'

/** What {@link awsKmsKeyProvider} needs. */
export interface AwsKmsKeyProviderOptions {
  /**
   * The ARN of a symmetric KMS key, its id, the name of an alias (`alias/…`) or an alias ARN.
   */
  readonly keyId: string
  /**
   * Left out, the provider makes a client with the SDK's default configuration (environment, shared
   * files, role of the machine) that makes one attempt per call. A client given here is used as it is
   * and stays the caller's to close; its own retries come on top of the keyring's, so give it
   * `maxAttempts: 1`.
   */
  readonly client?: KmsClient | undefined
  /** Region of the provider's own client; an ARN names it already. */
  readonly region?: string | undefined
}

/**
 * A provider whose root key is a symmetric key of AWS KMS, which never leaves it.
 *
 * Needs the package `@aws-sdk/client-kms`. Making the provider contacts nothing. The ARN of a key
 * needs no further call; any other `keyId` is resolved by one DescribeKey in `open()`, and an alias
 * that is moved afterwards is followed only by a new provider. Wrapping is one Encrypt, unwrapping
 * one Decrypt, which always names the key; both bind use, domain, purpose, id and version of the key
 * as encryption context, which CloudTrail records in clear. Between keys of one Region, and between
 * replicas of a multi-Region key, `rewrapKey` is one ReEncrypt, so that the key stays inside KMS.
 * A provider opens wraps of its own ARN only: replicas are providers of their own, each with its wrap.
 *
 * @param options - the KMS key, and how to reach it
 * @returns a provider with the URI `aws-kms:ARN` (`aws-kms:` and `keyId` until `open()` has resolved)
 * @throws ERR_CONFIG for a `keyId` that is none, a `region` that contradicts it or stands beside
 * `client`, a client without `send`, and where `@aws-sdk/client-kms` is not installed. Its calls
 * throw ERR_KEY_PROVIDER (throttled, unreachable, disabled, denied, …; see `failure`),
 * ERR_KEY_INTEGRITY for a wrap that does not open, and ERR_CLOSED after `close()`
 * @see docs/format.md "Keys": AWS KMS wrap
 */
export function awsKmsKeyProvider(options: AwsKmsKeyProviderOptions): KeyProvider {
  const keyId = checkKmsKeyId(options.keyId)
  const connection = connectKms(checkClient(options), regionFor(keyId, options))
  const key = new AwsKmsKey(keyId, connection)
  return redacted<KeyProvider>({
    get uri() {
      return key.uri
    },
    async open(call) {
      await key.resolve(call?.signal)
    },
    wrapKey: (bytes, context, call) => key.encrypt(bytes, context, call?.signal),
    unwrapKey: (wrapped, context, call) => key.decrypt(wrapped, context, call?.signal),
    rewrapKey: (wrapped, context, sourceUri, call) =>
      key.reEncrypt(wrapped, context, sourceUri, call?.signal),
    async close() {
      key.close()
    },
  })
}

function checkClient({ client, region }: AwsKmsKeyProviderOptions): KmsClient | undefined {
  if (client === undefined) return undefined
  if (typeof client?.send !== 'function') {
    throw new MortiseError('ERR_CONFIG', 'client of awsKmsKeyProvider must be a KMSClient')
  }
  if (region !== undefined) {
    throw new MortiseError(
      'ERR_CONFIG',
      'awsKmsKeyProvider takes client or region, not both: a client has its own Region',
    )
  }
  return client
}

function regionFor(keyId: string, { region }: AwsKmsKeyProviderOptions): string | null {
  const named = regionOf(keyId)
  if (region === undefined || named === null || region === named) return named ?? region ?? null
  throw new MortiseError(
    'ERR_CONFIG',
    `region '${region}' of awsKmsKeyProvider contradicts keyId, which is in ${named}: leave region out`,
  )
}
