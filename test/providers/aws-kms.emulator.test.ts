import { inspect } from 'node:util'
import {
  DisableKeyCommand,
  KMSClient,
  ReplicateKeyCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { awsKmsKeyProvider } from '../../src/aws-kms'
import { MortiseError, type ProviderFailure } from '../../src/errors'
import type { KeyProvider } from '../../src/providers/provider'
import {
  type KmsEmulator,
  type KmsFaultEffect,
  type KmsKey,
  startKmsEmulator,
} from '../../src/testing'
import { BOUND, CONTEXT } from './context'

const KEY = Buffer.from('0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20', 'hex')

let kms: KmsEmulator
let client: KMSClient
let key: KmsKey
let provider: KeyProvider

beforeAll(async () => {
  kms = await startKmsEmulator()
  client = clientOf(kms.region)
})

beforeEach(() => {
  key = kms.createKey()
  provider = awsKmsKeyProvider({ keyId: key.arn, client })
})

afterEach(() => {
  kms.clearFaults()
  kms.clearCalls()
})

afterAll(async () => {
  client.destroy()
  await kms.close()
})

function clientOf(region: string, credentials = kms.clientConfig.credentials): KMSClient {
  return new KMSClient({ ...kms.clientConfig, region, credentials, maxAttempts: 1 })
}

function operations(): string[] {
  return kms.calls.map(({ operation }) => operation)
}

async function failure(work: Promise<unknown> | undefined): Promise<MortiseError> {
  const error = await Promise.resolve(work).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(MortiseError)
  return error as MortiseError
}

describe('wrapping with AWS KMS', () => {
  it('costs one call each way, which names the key and binds the context', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    expect(Buffer.from(await provider.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
    expect(kms.calls).toMatchObject([
      { operation: 'Encrypt', keyId: key.arn, encryptionContext: BOUND, outcome: 'ok' },
      { operation: 'Decrypt', keyId: key.arn, encryptionContext: BOUND, outcome: 'ok' },
    ])
    for (const { encryptionContext } of kms.calls) expect(encryptionContext).toEqual(BOUND)
  })

  it('leaves the choice of the key to nobody else: a blob of another key does not open', async () => {
    const other = awsKmsKeyProvider({ keyId: kms.createKey().arn, client })
    const wrapped = await other.wrapKey(KEY, CONTEXT)
    const error = await failure(provider.unwrapKey(wrapped, CONTEXT))
    expect(error).toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
    expect(error.message).toContain('IncorrectKeyException')
  })

  it('still opens what it wrapped before the key was rotated', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    await client.send(new RotateKeyOnDemandCommand({ KeyId: key.arn }))
    expect(Buffer.from(await provider.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
  })
})

describe('an alias', () => {
  it('is resolved once and not followed when it moves', async () => {
    const first = kms.createKey({ alias: 'alias/moving' })
    const byAlias = awsKmsKeyProvider({ keyId: 'alias/moving', client })
    const wrapped = await byAlias.wrapKey(KEY, CONTEXT)
    const move = { AliasName: 'alias/moving', TargetKeyId: key.keyId }
    await client.send(new UpdateAliasCommand(move))
    expect(Buffer.from(await byAlias.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
    expect(byAlias.uri).toBe(`aws-kms:${first.arn}`)
    expect(operations()).toEqual(['DescribeKey', 'Encrypt', 'UpdateAlias', 'Decrypt'])

    const later = awsKmsKeyProvider({ keyId: 'alias/moving', client })
    await later.open?.()
    expect(later.uri).toBe(`aws-kms:${key.arn}`)
  })

  it('may be given as an ARN, and a key by its id', async () => {
    kms.createKey({ alias: 'alias/by-arn' })
    const aliasArn = key.arn.replace(/key\/.*/, 'alias/by-arn')
    for (const keyId of [aliasArn, key.keyId]) {
      const named = awsKmsKeyProvider({ keyId, client })
      await named.open?.()
      expect(named.uri).toMatch(/^aws-kms:arn:aws:kms:.*:key\//)
    }
  })

  it.each([
    ['RSA_2048', 'ENCRYPT_DECRYPT'],
    ['HMAC_256', 'GENERATE_VERIFY_MAC'],
  ] as const)('of a %s key is refused at once', async (keySpec, keyUsage) => {
    const { keyId } = kms.createKey({ keySpec, keyUsage })
    const error = await failure(awsKmsKeyProvider({ keyId, client }).open?.())
    expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', failure: 'state', retryable: false })
  })

  it('that does not exist is named', async () => {
    const error = await failure(awsKmsKeyProvider({ keyId: 'alias/none', client }).open?.())
    expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', failure: 'state' })
    expect(error.message).toMatch(
      /^DescribeKey with aws-kms:alias\/none failed \(NotFoundException/,
    )
  })
})

describe('a failure of AWS KMS', () => {
  it.each<[KmsFaultEffect, ProviderFailure, string]>([
    ['throttled', 'transient', 'ThrottlingException'],
    ['limit-exceeded', 'transient', 'LimitExceededException'],
    ['internal', 'transient', 'KMSInternalException'],
    ['key-unavailable', 'transient', 'KeyUnavailableException'],
    ['dependency-timeout', 'transient', 'DependencyTimeoutException'],
    ['unavailable', 'transient', 'ServiceUnavailableException'],
    ['disabled', 'state', 'DisabledException'],
    ['pending-deletion', 'state', 'KMSInvalidStateException'],
    ['not-found', 'state', 'NotFoundException'],
    ['invalid-key-usage', 'state', 'InvalidKeyUsageException'],
    ['denied', 'access', 'AccessDeniedException'],
    ['expired-credentials', 'access', 'ExpiredTokenException'],
    ['incorrect-key', 'integrity', 'IncorrectKeyException'],
    ['invalid-ciphertext', 'integrity', 'InvalidCiphertextException'],
    ['reset', 'transient', 'ECONNRESET'],
    [{ status: 502, body: '<html>Bad Gateway</html>' }, 'transient', 'SyntaxError'],
    [{ status: 403, body: '<html>Forbidden</html>' }, 'access', 'SyntaxError'],
  ])('%o is %s, tried once, and named', async (effect, expected, name) => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    kms.clearCalls()
    kms.inject({ effect })
    const error = await failure(provider.unwrapKey(wrapped, CONTEXT))
    expect(error).toMatchObject({
      code: expected === 'integrity' ? 'ERR_KEY_INTEGRITY' : 'ERR_KEY_PROVIDER',
      failure: expected,
      retryable: expected === 'transient',
    })
    expect(error.message).toContain(name)
    expect(error.message).toContain('kek 00112233445566ff (domain default, data, version 3)')
    expect(error.message).toContain(provider.uri)
    expect(operations()).toEqual(['Decrypt'])
    kms.clearFaults()
    expect(Buffer.from(await provider.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
  })

  it('can be looked up by its request id', async () => {
    kms.inject({ effect: 'denied', operation: 'Encrypt' })
    const { message } = await failure(provider.wrapKey(KEY, CONTEXT))
    expect(message).toContain(`request ${kms.calls[0]?.requestId}`)
  })

  it('keeps KMS’s own words about caller and key', async () => {
    kms.inject({ effect: 'denied' })
    const { cause } = await failure(provider.wrapKey(KEY, CONTEXT))
    expect((cause as Error).message).toMatch(/user\/mortise.*kms:Encrypt/)
  })

  it.each<KmsFaultEffect>(['denied', 'throttled', 'reset', { status: 500, body: 'x' }])(
    '%o holds no key, however it is printed',
    async (effect) => {
      const wrapped = await provider.wrapKey(KEY, CONTEXT)
      kms.inject({ effect })
      for (const call of [provider.wrapKey(KEY, CONTEXT), provider.unwrapKey(wrapped, CONTEXT)]) {
        expectNoKey(await failure(call))
      }
    },
  )

  it('quotes no answer that cannot be read, where a key could stand', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    kms.inject({ effect: { status: 200, body: `"${KEY.toString('base64')}` } })
    const error = await failure(provider.unwrapKey(wrapped, CONTEXT))
    expect(error).toMatchObject({ code: 'ERR_KEY_PROVIDER', retryable: false })
    expectNoKey(error)
  })

  function expectNoKey(error: MortiseError): void {
    const shown = inspect(error, { depth: 20, showHidden: true }) + error.stack
    for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const) {
      const part = KEY.toString(encoding).slice(0, 16)
      expect(shown.includes(part)).toBe(false)
    }
    expect(error.cause ?? {}).not.toHaveProperty('$response')
  }
})

describe('an answer of AWS KMS that is not what was asked for', () => {
  it.each<[string, (answer: Readonly<Record<string, unknown>>) => object]>([
    ['another key', (answer) => ({ ...answer, KeyId: kms.createKey().arn })],
    ['no key', ({ KeyId: _, ...answer }) => answer],
    ['31 bytes', (answer) => ({ ...answer, Plaintext: Buffer.alloc(31).toString('base64') })],
    ['no plaintext', ({ Plaintext: _, ...answer }) => answer],
  ])('is refused: %s', async (_what, alter) => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    kms.inject({ effect: { alter }, operation: 'Decrypt' })
    const error = await failure(provider.unwrapKey(wrapped, CONTEXT))
    expect(error).toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
  })
})

describe('a key of AWS KMS that is', () => {
  it('disabled says so', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    await client.send(new DisableKeyCommand({ KeyId: key.arn }))
    const error = await failure(provider.unwrapKey(wrapped, CONTEXT))
    expect(error).toMatchObject({ failure: 'state' })
    expect(error.message).toMatch(/enable it/)
  })

  it('pending deletion says so', async () => {
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: key.arn }))
    const error = await failure(provider.wrapKey(KEY, CONTEXT))
    expect(error).toMatchObject({ failure: 'state' })
    expect(error.message).toMatch(/CancelKeyDeletion/)
  })

  it('not for this caller says so', async () => {
    const { arn } = kms.createKey({ restricted: true })
    const stranger = clientOf(kms.region, kms.credentials('stranger'))
    const refused = awsKmsKeyProvider({ keyId: arn, client: stranger })
    const error = await failure(refused.wrapKey(KEY, CONTEXT))
    expect(error).toMatchObject({ failure: 'access', retryable: false })
    expect(error.message).toMatch(/allow kms:Encrypt/)
    stranger.destroy()
  })

  it.each([
    ['an unknown access key', { accessKeyId: 'AKIAUNKNOWN' }, /UnrecognizedClientException/],
    ['a wrong secret', { secretAccessKey: 'wrong' }, /InvalidSignatureException/],
  ])('asked with %s says so', async (_what, wrong, name) => {
    const credentials = { ...kms.clientConfig.credentials, ...wrong }
    const unknown = clientOf(kms.region, credentials)
    const error = await failure(
      awsKmsKeyProvider({ keyId: key.arn, client: unknown }).wrapKey(KEY, CONTEXT),
    )
    expect(error).toMatchObject({ failure: 'access', retryable: false })
    expect(error.message).toMatch(name)
    unknown.destroy()
  })

  it('in another Region than the client says so', async () => {
    const elsewhere = clientOf('us-east-1')
    const error = await failure(
      awsKmsKeyProvider({ keyId: key.arn, client: elsewhere }).wrapKey(KEY, CONTEXT),
    )
    expect(error).toMatchObject({ failure: 'state' })
    expect(error.message).toMatch(/Region of the client/)
    elsewhere.destroy()
  })
})

describe('a caller that no longer waits', () => {
  it('ends a call that hangs', async () => {
    kms.inject({ effect: 'hang', operation: 'Encrypt' })
    const abort = new AbortController()
    const wrapping = provider.wrapKey(KEY, CONTEXT, { signal: abort.signal })
    setTimeout(() => abort.abort(), 20)
    expect(await failure(wrapping)).toMatchObject({ failure: 'transient', retryable: true })
  })

  it('ends the resolution of an alias, which may be tried again', async () => {
    const byId = awsKmsKeyProvider({ keyId: key.keyId, client })
    kms.inject({ effect: 'hang', operation: 'DescribeKey', times: 1 })
    const opening = byId.open?.({ signal: AbortSignal.timeout(20) })
    expect(await failure(opening)).toMatchObject({ failure: 'transient' })
    await byId.open?.()
    expect(byId.uri).toBe(`aws-kms:${key.arn}`)
  })

  it('sends nothing when it had given up before', async () => {
    const signal = AbortSignal.abort()
    expect(await failure(provider.wrapKey(KEY, CONTEXT, { signal }))).toMatchObject({
      code: 'ERR_KEY_PROVIDER',
    })
    expect(operations()).toEqual([])
  })
})

describe('moving a wrap within AWS KMS', () => {
  it('costs one ReEncrypt and takes no key out of it', async () => {
    const source = awsKmsKeyProvider({ keyId: kms.createKey().arn, client })
    const wrapped = await source.wrapKey(KEY, CONTEXT)
    kms.clearCalls()
    const moved = (await provider.rewrapKey?.(wrapped, CONTEXT, source.uri)) as Uint8Array
    expect(operations()).toEqual(['ReEncrypt'])
    expect(kms.calls[0]?.encryptionContext).toEqual(BOUND)
    expect(Buffer.from(await provider.unwrapKey(moved, CONTEXT))).toEqual(KEY)
  })

  it('renews a wrap under the present material of a rotated key', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    await client.send(new RotateKeyOnDemandCommand({ KeyId: key.arn }))
    const renewed = (await provider.rewrapKey?.(wrapped, CONTEXT, provider.uri)) as Uint8Array
    expect(renewed).not.toEqual(wrapped)
    expect(Buffer.from(await provider.unwrapKey(renewed, CONTEXT))).toEqual(KEY)
  })

  it('is bound to the context, and to the source', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    const other = `aws-kms:${kms.createKey().arn}`
    for (const call of [
      provider.rewrapKey?.(wrapped, { ...CONTEXT, version: 4 }, provider.uri),
      provider.rewrapKey?.(wrapped, CONTEXT, other),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_KEY_INTEGRITY' })
    }
  })

  it('names both actions that were denied', async () => {
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    kms.inject({ effect: 'denied', operation: 'ReEncrypt' })
    const error = await failure(provider.rewrapKey?.(wrapped, CONTEXT, provider.uri))
    expect(error.message).toMatch(/kms:ReEncryptFrom.*kms:ReEncryptTo/)
  })
})

describe('replicas of a multi-Region key', () => {
  it('have a wrap each, which one makes from the other’s without its Region', async () => {
    const primary = kms.createKey({ multiRegion: true })
    const replicate = { KeyId: primary.arn, ReplicaRegion: 'us-east-1' }
    await client.send(new ReplicateKeyCommand(replicate))
    const elsewhere = clientOf('us-east-1')
    const here = awsKmsKeyProvider({ keyId: primary.arn, client })
    const there = awsKmsKeyProvider({
      keyId: primary.arn.replace(kms.region, 'us-east-1'),
      client: elsewhere,
    })
    expect(there.uri).not.toBe(here.uri)
    const wrapped = await here.wrapKey(KEY, CONTEXT)

    kms.inject({ effect: 'hang', region: kms.region })
    const second = (await there.rewrapKey?.(wrapped, CONTEXT, here.uri)) as Uint8Array
    expect(Buffer.from(await there.unwrapKey(second, CONTEXT))).toEqual(KEY)
    elsewhere.destroy()
  })
})

describe('a client of the application', () => {
  it('goes on after the provider is closed', async () => {
    await provider.close?.()
    const next = awsKmsKeyProvider({ keyId: key.arn, client })
    expect(await next.wrapKey(KEY, CONTEXT)).toBeInstanceOf(Uint8Array)
    expect(await failure(provider.wrapKey(KEY, CONTEXT))).toMatchObject({ code: 'ERR_CLOSED' })
  })
})
