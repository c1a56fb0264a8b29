import type { KMSClient } from '@aws-sdk/client-kms'
import { MortiseError } from '../errors'

/** The package `@aws-sdk/client-kms`. */
export type KmsSdk = typeof import('@aws-sdk/client-kms')

/** What is needed of a client: `send`, so that a wrapped or traced one serves as well. */
export type KmsClient = Pick<KMSClient, 'send'>

/** A client and who has to close it. */
export interface KmsConnection {
  readonly sdk: KmsSdk
  readonly client: KmsClient
  /** Closes a client that was made here; an injected one belongs to the application. */
  readonly close: () => void
}

/**
 * Uses the application's client, or makes one with the SDK's default configuration.
 *
 * Ours makes a single attempt: the keyring retries, inside one deadline, and two layers that retry
 * would multiply their attempts.
 *
 * @param region - of our own client; null leaves it to the SDK
 * @throws ERR_CONFIG where the package is missing
 */
export function connectKms(client: KmsClient | undefined, region: string | null): KmsConnection {
  const sdk = loadSdk()
  if (client !== undefined) return { sdk, client, close: () => {} }
  const own = new sdk.KMSClient({ maxAttempts: 1, ...(region !== null && { region }) })
  return { sdk, client: own, close: () => own.destroy() }
}

/** Not before a provider is made: importing mortise loads no vendor's package. */
function loadSdk(): KmsSdk {
  try {
    return require('@aws-sdk/client-kms') as KmsSdk
  } catch (cause) {
    throw new MortiseError(
      'ERR_CONFIG',
      'awsKmsKeyProvider needs the package @aws-sdk/client-kms: npm install @aws-sdk/client-kms',
      { cause },
    )
  }
}
