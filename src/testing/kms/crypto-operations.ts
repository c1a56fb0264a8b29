import { randomBlob } from '../random'
import { authorize, requireEnabled } from './access'
import { claimedKeyId, decrypt, encrypt, invalidCiphertext } from './ciphertext'
import { endDryRun } from './dry-run'
import { findKey } from './find-key'
import { currentMaterial, type Key } from './key'
import { incorrectKey, KmsError, unsupported } from './kms-error'
import {
  blob,
  choice,
  type EncryptionContext,
  encryptionContext,
  optionalInteger,
  optionalText,
  type Parameters,
  text,
} from './parameters'
import type { KmsRequest, Operations } from './request'

const MAX_PLAINTEXT_BYTES = 4096
const MAX_BLOB_BYTES = 6144
const MAX_RANDOM_BYTES = 1024
const ALGORITHM = 'SYMMETRIC_DEFAULT'

/** What uses a key, or the generator; counted by the shared request quota of a Region. */
export const cryptoOperations: Operations = {
  Encrypt(request) {
    const { input } = request
    const plaintext = blob(input, 'Plaintext', MAX_PLAINTEXT_BYTES)
    const context = encryptionContext(input, 'EncryptionContext')
    const key = usableKey(request, text(input, 'KeyId'), request.operation, context)
    endDryRun(input)
    return {
      CiphertextBlob: encrypt(key.family, context, plaintext).toString('base64'),
      KeyId: key.arn,
      EncryptionAlgorithm: ALGORITHM,
    }
  },

  Decrypt(request) {
    const { input } = request
    refuseRecipient(input)
    const context = encryptionContext(input, 'EncryptionContext')
    const source = blob(input, 'CiphertextBlob', MAX_BLOB_BYTES)
    const key = sourceKey(request, source, 'KeyId', 'Decrypt', context)
    const { plaintext, materialId } = decrypt(key.family, context, source)
    endDryRun(input)
    return {
      KeyId: key.arn,
      Plaintext: plaintext.toString('base64'),
      EncryptionAlgorithm: ALGORITHM,
      KeyMaterialId: materialId,
    }
  },

  ReEncrypt(request) {
    const { input } = request
    const from = encryptionContext(input, 'SourceEncryptionContext')
    const to = encryptionContext(input, 'DestinationEncryptionContext')
    const blobIn = blob(input, 'CiphertextBlob', MAX_BLOB_BYTES)
    const source = sourceKey(request, blobIn, 'SourceKeyId', 'ReEncryptFrom', from)
    const target = usableKey(request, text(input, 'DestinationKeyId'), 'ReEncryptTo', to)
    const { plaintext, materialId } = decrypt(source.family, from, blobIn)
    endDryRun(input)
    const blobOut = encrypt(target.family, to, plaintext)
    plaintext.fill(0)
    return {
      CiphertextBlob: blobOut.toString('base64'),
      SourceKeyId: source.arn,
      KeyId: target.arn,
      SourceEncryptionAlgorithm: ALGORITHM,
      DestinationEncryptionAlgorithm: ALGORITHM,
      SourceKeyMaterialId: materialId,
      DestinationKeyMaterialId: currentMaterial(target.family).id,
    }
  },

  GenerateDataKey(request) {
    refuseRecipient(request.input)
    const { plaintext, answer } = generateDataKey(request)
    return { ...answer, Plaintext: plaintext.toString('base64') }
  },

  GenerateDataKeyWithoutPlaintext(request) {
    return generateDataKey(request).answer
  },

  GenerateRandom({ input }) {
    refuseRecipient(input)
    const size = optionalInteger(input, 'NumberOfBytes', 1, MAX_RANDOM_BYTES)
    if (size === null) throw new KmsError('ValidationException', 'Please specify number of bytes.')
    return { Plaintext: randomBlob(size).toString('base64') }
  },
}

function generateDataKey(request: KmsRequest): { plaintext: Buffer; answer: object } {
  const { input } = request
  const context = encryptionContext(input, 'EncryptionContext')
  const size = dataKeyBytes(input)
  const key = usableKey(request, text(input, 'KeyId'), request.operation, context)
  endDryRun(input)
  const plaintext = randomBlob(size)
  const CiphertextBlob = encrypt(key.family, context, plaintext).toString('base64')
  const KeyMaterialId = currentMaterial(key.family).id
  return { plaintext, answer: { CiphertextBlob, KeyId: key.arn, KeyMaterialId } }
}

function dataKeyBytes(input: Parameters): number {
  const spec = choice(input, 'KeySpec', ['AES_256', 'AES_128'])
  const size = optionalInteger(input, 'NumberOfBytes', 1, MAX_RANDOM_BYTES)
  if ((spec === null) === (size === null)) {
    throw new KmsError(
      'ValidationException',
      'Please specify either number of bytes or key spec, and not both.',
    )
  }
  return size ?? (spec === 'AES_256' ? 32 : 16)
}

/** A key that may encrypt now, for this caller and context. */
function usableKey(
  request: KmsRequest,
  keyId: string,
  action: string,
  context: EncryptionContext,
): Key {
  const key = findKey(request, keyId, 'aliases')
  authorize(request, key, action, context)
  requireEnabled(key)
  requireSymmetric(key)
  return key
}

/**
 * The key that decrypts: the one that the request names, else the one that the blob names.
 *
 * A blob that another key of this Region made is told apart from one that nobody here made, as AWS
 * does; the named key is never replaced by the blob's.
 */
function sourceKey(
  request: KmsRequest,
  source: Buffer,
  parameter: string,
  action: string,
  context: EncryptionContext,
): Key {
  const claimed = claimedKeyId(source)
  const named = optionalText(request.input, parameter)
  const known = claimed !== null && request.region.keys.has(claimed)
  if (named === null) {
    if (known) return usableKey(request, claimed, action, context)
    throw invalidCiphertext()
  }
  const key = usableKey(request, named, action, context)
  if (claimed === key.keyId) return key
  if (!known) throw invalidCiphertext()
  throw incorrectKey()
}

function requireSymmetric({ arn, family }: Key): void {
  if (family.usage !== 'ENCRYPT_DECRYPT') {
    const message = `${arn} key usage is ${family.usage} which is not valid for this operation.`
    throw new KmsError('InvalidKeyUsageException', message)
  }
  if (family.spec !== 'SYMMETRIC_DEFAULT') throw unsupported('only symmetric keys are emulated')
}

function refuseRecipient(input: Parameters): void {
  if (input.Recipient != null) throw unsupported('Nitro enclaves are not emulated')
}
