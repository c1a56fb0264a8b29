import { KMSClient } from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { awsKmsKeyProvider } from '../../src/aws-kms'
import type { KeyContext, KeyProvider } from '../../src/providers/provider'
import {
  type ConformanceTarget,
  type KmsEmulator,
  type KmsKey,
  providerConformance,
  startKmsEmulator,
} from '../../src/testing'

// One contract, for the emulator and for AWS itself: what the emulator is trusted for in other tests
// is what AWS KMS does.
const KEY = Buffer.from('0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20', 'hex')
const CONTEXT: KeyContext = {
  ...({ use: 'kek', domain: 'mortise-contract-test', purpose: 'data' } as const),
  ...{ id: '00112233445566ff', version: 1 },
}
const REAL_KEY = process.env.MORTISE_TEST_AWS_KMS_KEY

describe('the contract on the emulator', () => {
  const secrets: string[] = []
  const clients: KMSClient[] = []
  let kms: KmsEmulator
  let hanging: KmsEmulator
  let key: KmsKey

  beforeAll(async () => {
    kms = await startKmsEmulator()
    hanging = await startKmsEmulator()
    hanging.inject({ effect: 'hang' })
    key = kms.createKey()
    secrets.push(kms.clientConfig.credentials.secretAccessKey)
  })

  afterAll(async () => {
    for (const client of clients) client.destroy()
    await Promise.all([kms.close(), hanging.close()])
  })

  contract((keyId = key.arn) => connect(keyId, kms.clientConfig), {
    createOther: () => connect(kms.createKey().arn, kms.clientConfig),
    createUnavailable: () =>
      connect(key.arn, { ...kms.clientConfig, endpoint: 'http://127.0.0.1:1' }),
    createHanging: () => connect(hanging.createKey().arn, hanging.clientConfig),
    secrets,
  })

  function connect(keyId: string, config: KmsEmulator['clientConfig']): KeyProvider {
    const client = new KMSClient({ ...config, maxAttempts: 1 })
    clients.push(client)
    return awsKmsKeyProvider({ keyId, client })
  }
})

if (REAL_KEY === undefined) {
  it.skip('the contract on AWS (to run it: MORTISE_TEST_AWS_KMS_KEY=<key ARN or alias>, AWS_REGION and credentials)', () => {})
} else {
  describe('the contract on AWS', () => {
    contract((keyId = REAL_KEY) => awsKmsKeyProvider({ keyId }))
  })
}

/** @param connect - a provider of the key named, by default of the one under test */
function contract(
  connect: (keyId?: string) => KeyProvider,
  situations: Omit<ConformanceTarget, 'create'> = {},
): void {
  const create = (): KeyProvider => connect()
  for (const { name, run } of providerConformance({ ...situations, create })) it(name, run)

  async function keyArn(): Promise<string> {
    const provider = connect()
    await provider.open?.()
    return provider.uri.replace(/^aws-kms:/, '')
  }

  it('opens by the key’s id what was wrapped by any other name of it', async () => {
    const byId = connect((await keyArn()).replace(/^.*key\//, ''))
    const wrapped = await connect().wrapKey(KEY, CONTEXT)
    expect(Buffer.from(await byId.unwrapKey(wrapped, CONTEXT))).toEqual(KEY)
    expect(byId.uri).toBe(`aws-kms:${await keyArn()}`)
  })

  it('renews a wrap by ReEncrypt, bound to the same context', async () => {
    const provider = connect(await keyArn())
    const wrapped = await provider.wrapKey(KEY, CONTEXT)
    const renewed = (await provider.rewrapKey?.(wrapped, CONTEXT, provider.uri)) as Uint8Array
    expect(renewed).not.toEqual(wrapped)
    expect(Buffer.from(await provider.unwrapKey(renewed, CONTEXT))).toEqual(KEY)
    const other = { ...CONTEXT, version: 2 }
    for (const call of [
      provider.unwrapKey(renewed, other),
      provider.rewrapKey?.(wrapped, other, provider.uri),
    ]) {
      await expect(call).rejects.toMatchObject({ failure: 'integrity' })
    }
  })

  it('does not take a key that is not there for an outage', async () => {
    const missing = connect((await keyArn()).replace(/.{12}$/, '000000000000'))
    // AWS may deny what a policy does not name before it says that there is no such key.
    await expect(missing.wrapKey(KEY, CONTEXT)).rejects.toMatchObject({
      code: 'ERR_KEY_PROVIDER',
      failure: expect.stringMatching(/^(state|access)$/),
      retryable: false,
    })
  })
}
