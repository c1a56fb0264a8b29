import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { ProviderFailure } from '../../src/errors'
import { type KmsCall, kmsError } from '../../src/providers/aws-kms-error'

const URI = 'aws-kms:arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const CALL: KmsCall = {
  operation: 'Decrypt',
  uri: URI,
  context: {
    use: 'kek',
    domain: 'default',
    purpose: 'data',
    id: '00112233445566ff',
    version: 3,
  },
}

/** As the SDK makes them: a name, a fault, and the raw answer hidden behind. */
function serviceError(name: string, details: object = {}): Error {
  return Object.assign(new Error(`AWS says ${name}`), {
    name,
    $fault: 'client',
    $metadata: { httpStatusCode: 400, requestId: 'a1b2-c3' },
    $response: { body: 'KEY BYTES' },
    ...details,
  })
}

describe('errors of AWS KMS', () => {
  it.each<[ProviderFailure, string, RegExp]>([
    ['transient', 'ThrottlingException', /quota/],
    ['transient', 'LimitExceededException', /quota/],
    ['transient', 'TooManyRequestsException', /quota/],
    ['transient', 'KMSInternalException', /internal error/],
    ['transient', 'InternalFailure', /internal error/],
    ['transient', 'DependencyTimeoutException', /in time/],
    ['transient', 'KeyUnavailableException', /in time/],
    ['transient', 'ServiceUnavailableException', /in time/],
    ['transient', 'TimeoutError', /no answer/],
    ['transient', 'AbortError', /no answer/],
    ['state', 'DisabledException', /enable it/],
    ['state', 'KMSInvalidStateException', /cancel the deletion/],
    ['state', 'NotFoundException', /check keyId.*Region/],
    ['state', 'InvalidArnException', /check keyId/],
    ['state', 'ValidationException', /check keyId/],
    ['state', 'InvalidKeyUsageException', /SYMMETRIC_DEFAULT/],
    ['access', 'AccessDeniedException', /allow kms:Decrypt for this encryption context/],
    ['transient', 'CredentialsProviderError', /valid AWS credentials/],
    ['access', 'TokenProviderError', /valid AWS credentials/],
    ['access', 'UnrecognizedClientException', /valid AWS credentials/],
    ['access', 'MissingAuthenticationTokenException', /valid AWS credentials/],
    ['access', 'ExpiredTokenException', /expired/],
    ['access', 'InvalidSignatureException', /clock/],
    ['access', 'IncompleteSignatureException', /proxies/],
    ['integrity', 'InvalidCiphertextException', /stored wrap was changed/],
    ['integrity', 'IncorrectKeyException', /another KMS key/],
  ])('are %s when named %s', (failure, name, fix) => {
    const error = kmsError(serviceError(name), CALL)
    expect(error).toMatchObject({
      code: failure === 'integrity' ? 'ERR_KEY_INTEGRITY' : 'ERR_KEY_PROVIDER',
      failure,
      retryable: failure === 'transient',
    })
    expect(error.message).toMatch(fix)
    expect(error.message).toContain(
      `Decrypt of kek 00112233445566ff (domain default, data, version 3) with ${URI} failed (${name}, request a1b2-c3): `,
    )
  })

  it.each([
    ...['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE', 'EAI_AGAIN', 'EPROTO'],
    ...['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])('are transient when the network failed with %s', (code) => {
    const error = kmsError(Object.assign(new Error('connect'), { code }), CALL)
    expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', failure: 'transient', retryable: true })
    expect(error.message).toContain(`failed (Error, ${code}): AWS KMS could not be reached`)
  })

  it.each<[ProviderFailure, object]>([
    ['transient', { $metadata: { httpStatusCode: 500 } }],
    ['transient', { $metadata: { httpStatusCode: 503 } }],
    ['transient', { $metadata: { httpStatusCode: 429 } }],
    ['transient', { $retryable: { throttling: true } }],
    ['access', { $metadata: { httpStatusCode: 401 } }],
    ['access', { $metadata: { httpStatusCode: 403 } }],
  ])('of unknown names are %s with %o', (failure, details) => {
    const error = kmsError(serviceError('SomethingNew', details), CALL)
    expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', failure })
    expect(error.retryable).toBe(failure === 'transient')
  })

  it('pass with the next call once the SDK has learnt how far the clock is off', () => {
    const $metadata = { httpStatusCode: 400, clockSkewCorrected: true }
    const error = kmsError(serviceError('InvalidSignatureException', { $metadata }), CALL)
    expect(error).toMatchObject({ failure: 'transient', retryable: true })
  })

  it.each([serviceError('SomethingNew'), new TypeError('x is not a function'), null, 'text'])(
    'of no known class are not retried: %s',
    (thrown) => {
      const error = kmsError(thrown, CALL)
      expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', retryable: false })
      expect(error.failure).toBeUndefined()
      expect(error.message).toContain('mortise does not know this error')
    },
  )

  it('ask for a Region where there is none', () => {
    const error = kmsError(new Error('Region is missing'), { ...CALL, operation: 'DescribeKey' })
    expect(error).toMatchObject({ code: 'ERR_CONFIG', retryable: false })
    expect(error.message).toMatch(/AWS_REGION/)
  })

  it.each<[KmsCall['operation'], RegExp]>([
    ['DescribeKey', /kms:DescribeKey \(or give keyId as the ARN/],
    ['Encrypt', /kms:Encrypt/],
    ['Decrypt', /kms:Decrypt/],
    ['ReEncrypt', /kms:ReEncryptFrom on the source key and kms:ReEncryptTo/],
  ])('name the action that %s needs', (operation, action) => {
    const error = kmsError(serviceError('AccessDeniedException'), { ...CALL, operation })
    expect(error.message).toMatch(action)
  })

  it('name the provider that a wrap is taken from', () => {
    const call: KmsCall = { ...CALL, operation: 'ReEncrypt', sourceUri: 'aws-kms:other' }
    const { message } = kmsError(serviceError('DisabledException'), call)
    expect(message).toContain(`version 3) from aws-kms:other with ${URI}`)
  })

  it('keep what KMS says about caller and key, and nothing else of the SDK’s error', () => {
    const error = kmsError(serviceError('AccessDeniedException'), CALL)
    expect(error.cause).toMatchObject({
      name: 'AccessDeniedException',
      message: 'AWS says AccessDeniedException',
    })
    expect(Object.keys(error.cause as object)).toEqual(['name'])
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('KEY BYTES')
  })

  it.each([
    serviceError('ValidationException', { message: "Value 'KEY BYTES' is wrong" }),
    Object.assign(new SyntaxError("'KEY BYTES' is not valid JSON"), { $response: 'KEY BYTES' }),
    Object.assign(new Error('KEY BYTES'), { name: 'KEY BYTES', code: 'KEY BYTES' }),
  ])('quote neither request nor answer: %s', (thrown) => {
    const error = kmsError(thrown, CALL)
    expect(error.cause).toBeUndefined()
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('KEY BYTES')
  })
})
