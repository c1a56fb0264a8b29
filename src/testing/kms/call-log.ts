import type { EncryptionContext } from './parameters'

/** One request that reached the emulator, without any plaintext or ciphertext. */
export interface KmsCall {
  /** For example `Decrypt`; empty where the request named none. */
  readonly operation: string
  /** The Region that the request was signed for; empty where the signature was refused. */
  readonly region: string
  /** ARN of the caller; empty where the signature was refused. */
  readonly caller: string
  /** KeyId (of ReEncrypt: DestinationKeyId) as the request named it; null where it named none. */
  readonly keyId: string | null
  /** ARN of the key that it was about; null where there is no such key. */
  readonly keyArn: string | null
  /** Of ReEncrypt: ARN of the key that it decrypts with; null for every other operation. */
  readonly sourceKeyArn: string | null
  /** Of ReEncrypt that of the destination; null where the request had none. */
  readonly encryptionContext: EncryptionContext | null
  /**
   * `ok`, the name of the error that was answered (`DisabledException`), or `HTTP 502`, `hang` or
   * `reset` for an injected fault without an error.
   */
  readonly outcome: string
  readonly requestId: string
  readonly at: Date
}
