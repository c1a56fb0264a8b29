import type { DescribeKeyResponse } from '@aws-sdk/client-kms'
import { KEY_BYTES } from '../crypto/secret-key'
import { MortiseError } from '../errors'
import { areReplicas, type KmsKeyArn, kmsUri, parseKeyArn, parseKmsUri } from './aws-kms-arn'
import type { KmsClient, KmsConnection, KmsSdk } from './aws-kms-client'
import { describeCall, type KmsCall, kmsError } from './aws-kms-error'
import { type KeyContext, MAX_WRAPPED_BYTES } from './provider'

/** One KMS key and the calls on it. Every call names the key's ARN and its answer is checked. */
export class AwsKmsKey {
  readonly #keyId: string
  readonly #connection: KmsConnection
  #key: KmsKeyArn | null
  #resolving: Promise<KmsKeyArn> | undefined
  #closed = false

  constructor(keyId: string, connection: KmsConnection) {
    this.#keyId = keyId
    this.#connection = connection
    this.#key = parseKeyArn(keyId)
  }

  get uri(): string {
    return kmsUri(this.#key?.arn ?? this.#keyId)
  }

  /** The key behind `keyId`, asked for once; an alias that moves later is not followed. */
  async resolve(signal?: AbortSignal): Promise<KmsKeyArn> {
    if (this.#closed) throw closed(this.uri)
    if (this.#key !== null) return this.#key
    this.#resolving ??= this.#describe(signal).finally(() => {
      this.#resolving = undefined
    })
    this.#key = await this.#resolving
    return this.#key
  }

  async encrypt(key: Uint8Array, context: KeyContext, signal?: AbortSignal): Promise<Uint8Array> {
    if (key.length !== KEY_BYTES) throw new RangeError(`a wrapped key holds ${KEY_BYTES} bytes`)
    const { arn } = await this.resolve(signal)
    const call = { operation: 'Encrypt', uri: this.uri, context } as const
    const input = { KeyId: arn, Plaintext: key, EncryptionContext: encryptionContext(context) }
    const answer = await this.#ask(call, (sdk, client) =>
      client.send(new sdk.EncryptCommand(input), abortedBy(signal)),
    )
    checkKey(answer.KeyId, arn, call)
    return wrapOf(answer.CiphertextBlob, call)
  }

  async decrypt(
    wrapped: Uint8Array,
    context: KeyContext,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const { arn } = await this.resolve(signal)
    const call = { operation: 'Decrypt', uri: this.uri, context } as const
    checkWrap(wrapped, call)
    // KMS would take the key from the blob, which the key store's writer chose.
    const input = {
      KeyId: arn,
      CiphertextBlob: wrapped,
      EncryptionContext: encryptionContext(context),
    }
    const answer = await this.#ask(call, (sdk, client) =>
      client.send(new sdk.DecryptCommand(input), abortedBy(signal)),
    )
    const key = takeKey(answer.Plaintext)
    try {
      checkKey(answer.KeyId, arn, call)
      if (key.length !== KEY_BYTES) throw unexpected(call, `not a key of ${KEY_BYTES} bytes`)
    } catch (error) {
      key.fill(0)
      throw error
    }
    return key
  }

  /** @returns null where KMS cannot read the source from here */
  async reEncrypt(
    wrapped: Uint8Array,
    context: KeyContext,
    sourceUri: string,
    signal?: AbortSignal,
  ): Promise<Uint8Array | null> {
    const key = await this.resolve(signal)
    const source = readableAs(parseKmsUri(sourceUri), key)
    if (source === null) return null
    const call = { operation: 'ReEncrypt', uri: this.uri, context, sourceUri } as const
    checkWrap(wrapped, call)
    const input = {
      SourceKeyId: source,
      SourceEncryptionContext: encryptionContext(context),
      CiphertextBlob: wrapped,
      DestinationKeyId: key.arn,
      DestinationEncryptionContext: encryptionContext(context),
    }
    const answer = await this.#ask(call, (sdk, client) =>
      client.send(new sdk.ReEncryptCommand(input), abortedBy(signal)),
    )
    checkKey(answer.KeyId, key.arn, call)
    return wrapOf(answer.CiphertextBlob, call)
  }

  close(): void {
    if (!this.#closed) this.#connection.close()
    this.#closed = true
  }

  async #describe(signal: AbortSignal | undefined): Promise<KmsKeyArn> {
    const call = { operation: 'DescribeKey', uri: this.uri } as const
    const { KeyMetadata } = await this.#ask(call, (sdk, client) =>
      client.send(new sdk.DescribeKeyCommand({ KeyId: this.#keyId }), abortedBy(signal)),
    )
    return usableKey(KeyMetadata, call)
  }

  async #ask<T>(call: KmsCall, send: (sdk: KmsSdk, client: KmsClient) => Promise<T>): Promise<T> {
    try {
      return await send(this.#connection.sdk, this.#connection.client)
    } catch (error) {
      throw kmsError(error, call)
    }
  }
}

/**
 * What KMS binds to the wrap, and writes to CloudTrail in clear: nothing personal is in it.
 *
 * @see docs/format.md "Keys": AWS KMS wrap
 */
function encryptionContext(context: KeyContext): Record<string, string> {
  const { use, domain, purpose, id, version } = context
  return { mortise: '1', use, domain, purpose, id, version: String(version) }
}

/** The ARN to read a source by: ReEncrypt reaches keys of its own Region only, or their replicas. */
function readableAs(source: KmsKeyArn | null, own: KmsKeyArn): string | null {
  if (source === null) return null
  if (areReplicas(source, own)) return own.arn
  return source.region === own.region ? source.arn : null
}

function usableKey(metadata: DescribeKeyResponse['KeyMetadata'], call: KmsCall): KmsKeyArn {
  // Test servers leave members out; what they do not say, Encrypt will.
  const { KeySpec = 'SYMMETRIC_DEFAULT', KeyUsage = 'ENCRYPT_DECRYPT', Arn } = metadata ?? {}
  if (KeySpec !== 'SYMMETRIC_DEFAULT' || KeyUsage !== 'ENCRYPT_DECRYPT') {
    throw new MortiseError(
      'ERR_KEY_PROVIDER',
      `${call.uri} is not a symmetric key for encryption (KeySpec SYMMETRIC_DEFAULT, KeyUsage ENCRYPT_DECRYPT): name one that is`,
      { failure: 'state' },
    )
  }
  const key = parseKeyArn(Arn ?? '')
  if (key === null) throw unexpected(call, 'not the ARN of a key')
  return key
}

/** A copy that the caller owns; the SDK's own array is zeroed. */
function takeKey(plaintext: Uint8Array | undefined): Uint8Array {
  const key = new Uint8Array(plaintext ?? [])
  plaintext?.fill(0)
  return key
}

function checkWrap(wrapped: Uint8Array, call: KmsCall): void {
  if (wrapped.length >= 1 && wrapped.length <= MAX_WRAPPED_BYTES) return
  throw new MortiseError(
    'ERR_KEY_INTEGRITY',
    `${describeCall(call)} was not tried: the stored wrap has ${wrapped.length} bytes, and none of AWS KMS has; it was changed`,
    { failure: 'integrity' },
  )
}

function wrapOf(blob: Uint8Array | undefined, call: KmsCall): Uint8Array {
  if (blob === undefined || blob.length === 0 || blob.length > MAX_WRAPPED_BYTES) {
    throw unexpected(call, `no wrap of 1 to ${MAX_WRAPPED_BYTES} bytes`)
  }
  return new Uint8Array(blob)
}

function checkKey(answered: string | undefined, arn: string, call: KmsCall): void {
  if (answered !== arn) throw unexpected(call, 'made with another KMS key than the one asked for')
}

function unexpected(call: KmsCall, what: string): MortiseError {
  return new MortiseError(
    'ERR_KEY_INTEGRITY',
    `${describeCall(call)}: the answer is ${what}; check the endpoint that the client talks to`,
    { failure: 'integrity' },
  )
}

function closed(uri: string): MortiseError {
  return new MortiseError('ERR_CLOSED', `${uri} is closed: make a new provider`)
}

function abortedBy(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}
