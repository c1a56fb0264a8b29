import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateRandomCommand,
  KMSClient,
  ReEncryptCommand,
} from '@aws-sdk/client-kms'
import { beforeEach, describe, expect, it } from 'vitest'
import { type KmsFaultEffect, type KmsKey, startKmsEmulator } from '../../../src/testing'
import { outcome, runEmulator } from './running'

const running = runEmulator()
let key: KmsKey

beforeEach(() => {
  key = running.kms.createKey()
})

function encrypt(client = running.client, KeyId = key.arn) {
  return client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.of(1) }))
}

describe('faults', () => {
  it.each<[KmsFaultEffect, string, number]>([
    ['throttled', 'ThrottlingException', 400],
    ['disabled', 'DisabledException', 400],
    ['pending-deletion', 'KMSInvalidStateException', 400],
    ['not-found', 'NotFoundException', 400],
    ['denied', 'AccessDeniedException', 400],
    ['expired-credentials', 'ExpiredTokenException', 400],
    ['incorrect-key', 'IncorrectKeyException', 400],
    ['invalid-ciphertext', 'InvalidCiphertextException', 400],
    ['invalid-key-usage', 'InvalidKeyUsageException', 400],
    ['limit-exceeded', 'LimitExceededException', 400],
    ['key-unavailable', 'KeyUnavailableException', 500],
    ['dependency-timeout', 'DependencyTimeoutException', 500],
    ['internal', 'KMSInternalException', 500],
    ['unavailable', 'ServiceUnavailableException', 503],
  ])('%s is %s with status %i', async (effect, name, httpStatusCode) => {
    running.kms.inject({ effect, times: 1 })
    await expect(encrypt()).rejects.toMatchObject({ name, $metadata: { httpStatusCode } })
    expect(running.kms.calls.at(-1)?.outcome).toBe(name)
    expect(await outcome(encrypt())).toBe('ok')
  })

  it('resets connections', async () => {
    running.kms.inject({ effect: 'reset', times: 1 })
    await expect(encrypt()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(running.kms.calls).toMatchObject([{ operation: 'Encrypt', outcome: 'reset' }])
  })

  it('hangs until the caller gives up', async () => {
    running.kms.inject({ effect: 'hang', times: 1 })
    const controller = new AbortController()
    const command = new GenerateRandomCommand({ NumberOfBytes: 1 })
    const call = running.client.send(command, { abortSignal: controller.signal })
    await expect.poll(() => running.kms.calls.map((c) => c.outcome)).toEqual(['hang'])
    controller.abort()
    expect(await outcome(call)).toBe('AbortError')
  })

  it('answers late, also with an error', async () => {
    running.kms.inject({ effect: { latencyMs: 300 }, operation: 'Encrypt', times: 2 })
    running.kms.inject({ effect: 'disabled', operation: 'Encrypt', times: 1 })
    const late = [outcome(encrypt()), outcome(encrypt())]
    // Sent later and answered before.
    await running.client.send(new DescribeKeyCommand({ KeyId: key.arn }))
    expect((await Promise.all(late)).sort()).toEqual(['DisabledException', 'ok'])
    expect(running.kms.calls.map(({ operation }) => operation)).toEqual([
      'DescribeKey',
      'Encrypt',
      'Encrypt',
    ])
  })

  it('answers as a proxy would, or another answer than KMS gave', async () => {
    running.kms.inject({ effect: { status: 502, body: '<html>Bad Gateway</html>' }, times: 1 })
    await expect(encrypt()).rejects.toMatchObject({ $metadata: { httpStatusCode: 502 } })
    expect(running.kms.calls.at(-1)?.outcome).toBe('HTTP 502')
    const alter = (answer: object) => ({ ...answer, KeyId: 'arn:of:another:key' })
    running.kms.inject({ effect: { alter }, times: 1 })
    expect(await encrypt()).toMatchObject({ KeyId: 'arn:of:another:key' })
  })

  it('says so where altering an answer fails', async () => {
    const alter = () => {
      throw new Error('a mistake in the test')
    }
    running.kms.inject({ effect: { alter }, times: 1 })
    await expect(encrypt()).rejects.toThrow('a mistake in the test')
  })

  it('meets only what it is injected for', async () => {
    const other = running.kms.createKey({ alias: 'alias/other' })
    const elsewhere = running.clientOf({ region: 'us-east-1' })
    const there = running.kms.createKey({ region: 'us-east-1' })
    const app = running.clientOf({ caller: 'app' })
    const calls = () =>
      Promise.all(
        [
          encrypt(),
          encrypt(running.client, 'alias/other'),
          encrypt(elsewhere, there.arn),
          encrypt(app),
          running.client.send(new DescribeKeyCommand({ KeyId: key.arn })),
        ].map(outcome),
      )
    const [no, ok] = ['DisabledException', 'ok']
    const met = async (scope: object) => {
      const remove = running.kms.inject({ effect: 'disabled', ...scope })
      const outcomes = await calls()
      remove()
      return outcomes
    }
    expect(await met({ keyArn: key.arn })).toEqual([no, ok, ok, no, no])
    expect(await met({ keyArn: other.arn })).toEqual([ok, no, ok, ok, ok])
    expect(await met({ region: 'us-east-1' })).toEqual([ok, ok, no, ok, ok])
    expect(await met({ caller: running.kms.credentials('app').arn })).toEqual([ok, ok, ok, no, ok])
    expect(await met({ operation: 'DescribeKey' })).toEqual([ok, ok, ok, ok, no])
    expect(await met({ operation: 'Encrypt', keyArn: other.arn })).toEqual([ok, no, ok, ok, ok])
    expect(await calls()).toEqual([ok, ok, ok, ok, ok])
  })

  it('meets a key that only the blob names, and both keys of ReEncrypt', async () => {
    const { CiphertextBlob } = await encrypt()
    const remove = running.kms.inject({ effect: 'disabled', keyArn: key.arn })
    expect(await outcome(running.client.send(new DecryptCommand({ CiphertextBlob })))).toBe(
      'DisabledException',
    )
    const DestinationKeyId = running.kms.createKey().arn
    const move = new ReEncryptCommand({ CiphertextBlob, DestinationKeyId })
    expect(await outcome(running.client.send(move))).toBe('DisabledException')
    remove()
    running.kms.inject({ effect: 'disabled', keyArn: DestinationKeyId })
    expect(await outcome(running.client.send(move))).toBe('DisabledException')
  })

  it('comes one after the other, and goes when it is used up, removed or cleared', async () => {
    running.kms.inject({ effect: 'throttled', times: 2 })
    running.kms.inject({ effect: 'internal', times: 1 })
    const outcomes = []
    for (let i = 0; i < 4; i++) outcomes.push(await outcome(encrypt()))
    const throttled = 'ThrottlingException'
    expect(outcomes).toEqual([throttled, throttled, 'KMSInternalException', 'ok'])
    running.kms.inject({ effect: 'denied' })
    running.kms.clearFaults()
    expect(await outcome(encrypt())).toBe('ok')
    expect(() => running.kms.inject({ effect: 'denied', times: 0 })).toThrow(RangeError)
  })
})

describe('the call log', () => {
  it('says who asked for what, of which key, with which context, and what came of it', async () => {
    running.kms.createKey({ alias: 'alias/logged' })
    const EncryptionContext = { domain: 'default' }
    const Plaintext = Buffer.from('never in a log')
    const command = new EncryptCommand({ KeyId: 'alias/logged', Plaintext, EncryptionContext })
    const { $metadata, KeyId } = await running.client.send(command)
    expect(running.kms.calls).toEqual([
      {
        operation: 'Encrypt',
        region: 'eu-central-1',
        caller: running.kms.credentials('mortise').arn,
        keyId: 'alias/logged',
        keyArn: KeyId,
        sourceKeyArn: null,
        encryptionContext: EncryptionContext,
        outcome: 'ok',
        requestId: $metadata.requestId,
        at: expect.any(Date),
      },
    ])
    expect(JSON.stringify(running.kms.calls)).not.toContain(Plaintext.toString('base64'))
    running.kms.clearCalls()
    expect(running.kms.calls).toEqual([])
  })

  it('has no key for what names none, or an unknown one', async () => {
    await running.client.send(new GenerateRandomCommand({ NumberOfBytes: 1 }))
    await outcome(encrypt(running.client, 'alias/none'))
    expect(running.kms.calls).toMatchObject([
      { operation: 'GenerateRandom', keyId: null, keyArn: null, encryptionContext: null },
      { operation: 'Encrypt', keyId: 'alias/none', keyArn: null, outcome: 'NotFoundException' },
    ])
  })
})

describe('startKmsEmulator', () => {
  it('throttles above its quota, for cryptographic operations and each Region by itself', async () => {
    const kms = await startKmsEmulator({ requestsPerSecond: 5, region: 'us-east-1' })
    const client = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
    const draw = () => outcome(client.send(new GenerateRandomCommand({ NumberOfBytes: 1 })))
    // Sent at once, they fall into one second, or two, where at most 5 of each pass.
    const outcomes = await Promise.all(Array.from({ length: 40 }, draw))
    expect(outcomes).toContain('ok')
    expect(outcomes).toContain('ThrottlingException')
    const { arn } = kms.createKey()
    const describe = () => outcome(client.send(new DescribeKeyCommand({ KeyId: arn })))
    const others = await Promise.all(Array.from({ length: 40 }, describe))
    expect(new Set(others)).toEqual(new Set(['ok']))
    client.destroy()
    await kms.close()
  })

  it('closes with requests that hang, and more than once', async () => {
    const kms = await startKmsEmulator()
    const client = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
    kms.inject({ effect: 'hang' })
    const call = outcome(client.send(new GenerateRandomCommand({ NumberOfBytes: 1 })))
    await expect.poll(() => kms.calls.length).toBe(1)
    await kms.close()
    await kms.close()
    expect(await call).not.toBe('ok')
    client.destroy()
  })

  it('gives one caller for one name', () => {
    const { kms } = running
    expect(kms.credentials('app')).toEqual(kms.credentials('app'))
    expect(kms.credentials('app').accessKeyId).not.toBe(kms.credentials('other').accessKeyId)
    expect(() => kms.credentials('two words')).toThrow(RangeError)
  })
})
