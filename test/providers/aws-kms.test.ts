import Module from 'node:module'
import { inspect } from 'node:util'
import { KMSClient } from '@aws-sdk/client-kms'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type AwsKmsKeyProviderOptions, awsKmsKeyProvider } from '../../src/aws-kms'
import { isMortiseError } from '../../src/errors'
import { BOUND, CONTEXT } from './context'

const ID = '1234abcd-12ab-34cd-56ef-1234567890ab'
const MRK = 'mrk-1234abcd12ab34cd56ef1234567890ab'
const ARN = keyArn('eu-west-1', ID)
const OTHER = keyArn('eu-west-1', '99999999-12ab-34cd-56ef-1234567890ab')
const KEY = Buffer.from('0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20', 'hex')
const WRAP = Buffer.from('wrapped')

function keyArn(region: string, id: string): string {
  return `arn:aws:kms:${region}:111122223333:key/${id}`
}

interface Sent {
  readonly operation: string
  readonly input: Record<string, unknown>
  readonly options: { readonly abortSignal?: AbortSignal }
}

/** A client that answers as told and remembers what it was sent. */
function scripted(...answers: object[]): { client: Pick<KMSClient, 'send'>; sent: Sent[] } {
  const sent: Sent[] = []
  const send = async (command: { input: object }, options: object): Promise<object> => {
    const operation = command.constructor.name.replace('Command', '')
    sent.push({ operation, input: { ...command.input }, options })
    const answer = answers.shift() ?? new Error('unexpected call')
    if (answer instanceof Error) throw answer
    return answer
  }
  return { client: { send } as unknown as Pick<KMSClient, 'send'>, sent }
}

function described(arn: string, details: object = {}): object {
  return {
    KeyMetadata: {
      Arn: arn,
      KeySpec: 'SYMMETRIC_DEFAULT',
      KeyUsage: 'ENCRYPT_DECRYPT',
      ...details,
    },
  }
}

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

describe('the options of awsKmsKeyProvider', () => {
  const { client } = scripted()

  it.each([
    ARN,
    ID,
    MRK,
    keyArn('us-gov-west-1', MRK).replace('arn:aws:', 'arn:aws-us-gov:'),
    'alias/patients/eu',
    'arn:aws:kms:eu-west-1:111122223333:alias/patients',
  ])('take %s as keyId and show it as the URI', (keyId) => {
    expect(awsKmsKeyProvider({ keyId, client }).uri).toBe(`aws-kms:${keyId}`)
  })

  it.each([
    ...['', 'patients', 'alias/', 'alias/a b', `aws-kms:${ARN}`, `${ARN} `, `${ARN}\n`, 'mrk-12'],
    'arn:aws:kms:eu-west-1:111122223333:key/*',
    'arn:aws:s3:::bucket/key',
    `alias/${'a'.repeat(300)}`,
    undefined,
    7,
  ])('refuse %j as keyId', (keyId) => {
    const make = () => awsKmsKeyProvider({ keyId: keyId as string, client })
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(make).toThrow(/ARN.*alias\//)
  })

  it.each<[string, Partial<AwsKmsKeyProviderOptions>, RegExp]>([
    ['a Region other than the ARN’s', { region: 'us-east-1' }, /'us-east-1'.*eu-west-1/],
    ['a Region beside a client', { region: 'eu-west-1', client }, /client or region/],
    ['a client without send', { client: {} as KMSClient }, /must be a KMSClient/],
    ['null for a client', { client: null as unknown as KMSClient }, /must be a KMSClient/],
  ])('refuse %s', (_what, options, message) => {
    const make = () => awsKmsKeyProvider({ keyId: ARN, ...options })
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(make).toThrow(message)
  })

  it('name the package to install where it is missing', () => {
    const modules = Module as unknown as { _load: (...args: unknown[]) => unknown }
    const load = modules._load
    vi.spyOn(modules, '_load').mockImplementation((...args) => {
      if (args[0] === '@aws-sdk/client-kms') throw new Error('Cannot find module')
      return load.apply(Module, args)
    })
    const make = () => awsKmsKeyProvider({ keyId: ARN, client })
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(make).toThrow(/npm install @aws-sdk\/client-kms/)
  })
})

describe('a client of its own', () => {
  it.each([
    ['the Region of a key ARN', { keyId: ARN }],
    ['the Region of an alias ARN', { keyId: 'arn:aws:kms:eu-west-1:111122223333:alias/patients' }],
    ['the Region given', { keyId: 'alias/patients', region: 'eu-west-1' }],
  ])('has %s, and makes one attempt', async (_what, options) => {
    const own = spyOnClients(described(ARN))
    await awsKmsKeyProvider(options).open?.()
    await awsKmsKeyProvider(options).wrapKey(KEY, CONTEXT)
    for (const client of own()) {
      expect(await client.config.region()).toBe('eu-west-1')
      expect(await client.config.maxAttempts()).toBe(1)
    }
  })

  it('is destroyed by close, once; an injected one is not', async () => {
    const destroy = vi.spyOn(KMSClient.prototype, 'destroy')
    const provider = awsKmsKeyProvider({ keyId: ARN })
    await provider.close?.()
    await provider.close?.()
    expect(destroy).toHaveBeenCalledTimes(1)
    const injected = new KMSClient({ region: 'eu-west-1' })
    await awsKmsKeyProvider({ keyId: ARN, client: injected }).close?.()
    expect(destroy).toHaveBeenCalledTimes(1)
    injected.destroy()
  })

  it('says what is missing where there is no Region', async () => {
    stubEmptyConfiguration()
    const opening = awsKmsKeyProvider({ keyId: 'alias/patients' }).open?.()
    await expect(opening).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(opening).rejects.toThrow(/Region of aws-kms:alias\/patients.*AWS_REGION/)
  })

  it('says what is missing where there are no credentials', async () => {
    stubEmptyConfiguration()
    const wrapping = awsKmsKeyProvider({ keyId: ARN }).wrapKey(KEY, CONTEXT)
    await expect(wrapping).rejects.toMatchObject({ code: 'ERR_KEY_PROVIDER', failure: 'transient' })
    await expect(wrapping).rejects.toThrow(/CredentialsProviderError.*valid AWS credentials/)
  })

  function stubEmptyConfiguration(): void {
    for (const name of Object.keys(process.env).filter((key) => key.startsWith('AWS_'))) {
      vi.stubEnv(name, undefined)
    }
    vi.stubEnv('AWS_CONFIG_FILE', '/dev/null')
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null')
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  }

  /** The clients that sent anything: each gets the key described, or a wrap. */
  function spyOnClients(answer: object): () => KMSClient[] {
    const send = vi
      .spyOn(KMSClient.prototype, 'send')
      .mockImplementation(() => Promise.resolve({ ...answer, KeyId: ARN, CiphertextBlob: WRAP }))
    return () => {
      expect(send.mock.contexts.length).toBeGreaterThan(0)
      return send.mock.contexts as unknown as KMSClient[]
    }
  }
})

describe('the key of an AWS KMS provider', () => {
  it('is resolved by one DescribeKey, however many wait for it', async () => {
    const { client, sent } = scripted(described(ARN))
    const provider = awsKmsKeyProvider({ keyId: 'alias/patients', client })
    await Promise.all([provider.open?.(), provider.open?.(), provider.open?.()])
    await provider.open?.()
    expect(provider.uri).toBe(`aws-kms:${ARN}`)
    expect(sent.map(({ operation, input }) => [operation, input])).toEqual([
      ['DescribeKey', { KeyId: 'alias/patients' }],
    ])
  })

  it('needs no call where its ARN is given', async () => {
    const { client, sent } = scripted()
    await awsKmsKeyProvider({ keyId: ARN, client }).open?.()
    expect(sent).toEqual([])
  })

  it('is resolved by the first use where nobody opened it', async () => {
    const { client, sent } = scripted(described(ARN), { KeyId: ARN, CiphertextBlob: WRAP })
    await awsKmsKeyProvider({ keyId: ID, client }).wrapKey(KEY, CONTEXT)
    expect(sent[1]?.input).toMatchObject({ KeyId: ARN })
  })

  it('is asked for again after a failed attempt', async () => {
    const { client } = scripted(Object.assign(new Error(), { code: 'ECONNRESET' }), described(ARN))
    const provider = awsKmsKeyProvider({ keyId: 'alias/patients', client })
    await expect(provider.open?.()).rejects.toMatchObject({ failure: 'transient' })
    expect(provider.uri).toBe('aws-kms:alias/patients')
    await provider.open?.()
    expect(provider.uri).toBe(`aws-kms:${ARN}`)
  })

  it.each([
    { KeySpec: 'RSA_2048' },
    { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' },
    { KeyUsage: 'SIGN_VERIFY' },
  ])('must be symmetric and for encryption, unlike %o', async (details) => {
    const { client } = scripted(described(ARN, details))
    const opening = awsKmsKeyProvider({ keyId: 'alias/patients', client }).open?.()
    await expect(opening).rejects.toMatchObject({ code: 'ERR_KEY_PROVIDER', failure: 'state' })
    await expect(opening).rejects.toThrow(/alias\/patients is not a symmetric key.*ENCRYPT_DECRYPT/)
  })

  it('may leave its kind unsaid, as test servers do: Encrypt would refuse it', async () => {
    const { client } = scripted(described(ARN, { KeySpec: undefined, KeyUsage: undefined }))
    const provider = awsKmsKeyProvider({ keyId: 'alias/patients', client })
    await provider.open?.()
    expect(provider.uri).toBe(`aws-kms:${ARN}`)
  })

  it('must have an ARN', async () => {
    const { client } = scripted(described('alias/patients'))
    const opening = awsKmsKeyProvider({ keyId: ID, client }).open?.()
    await expect(opening).rejects.toMatchObject({ code: 'ERR_KEY_INTEGRITY' })
  })
})

describe('what AWS KMS is sent', () => {
  it('binds the six members of the encryption context, and nothing else is in clear', async () => {
    const { client, sent } = scripted(
      { KeyId: ARN, CiphertextBlob: WRAP },
      { KeyId: ARN, Plaintext: Uint8Array.from(KEY) },
    )
    const provider = awsKmsKeyProvider({ keyId: ARN, client })
    await provider.wrapKey(KEY, CONTEXT)
    await provider.unwrapKey(WRAP, CONTEXT)
    expect(sent.map(({ operation, input }) => [operation, input])).toEqual([
      ['Encrypt', { KeyId: ARN, Plaintext: KEY, EncryptionContext: BOUND }],
      ['Decrypt', { KeyId: ARN, CiphertextBlob: WRAP, EncryptionContext: BOUND }],
    ])
  })

  it('carries the caller’s signal', async () => {
    const { client, sent } = scripted(
      described(ARN),
      { KeyId: ARN, CiphertextBlob: WRAP },
      { KeyId: ARN, Plaintext: Uint8Array.from(KEY) },
      { KeyId: ARN, CiphertextBlob: WRAP },
    )
    const provider = awsKmsKeyProvider({ keyId: ID, client })
    const { signal } = new AbortController()
    await provider.open?.({ signal })
    await provider.wrapKey(KEY, CONTEXT, { signal })
    await provider.unwrapKey(WRAP, CONTEXT, { signal })
    await provider.rewrapKey?.(WRAP, CONTEXT, provider.uri, { signal })
    expect(sent.map(({ options }) => options.abortSignal)).toEqual(Array(4).fill(signal))
  })

  it.each([0, 31, 33])('is never a key of %i bytes', async (length) => {
    const { client, sent } = scripted()
    const wrapping = awsKmsKeyProvider({ keyId: ARN, client }).wrapKey(
      Buffer.alloc(length),
      CONTEXT,
    )
    await expect(wrapping).rejects.toThrow(RangeError)
    expect(sent).toEqual([])
  })

  it.each([0, 1025])('is never a wrap of %i bytes', async (length) => {
    const { client, sent } = scripted()
    const provider = awsKmsKeyProvider({ keyId: ARN, client })
    for (const call of [
      provider.unwrapKey(Buffer.alloc(length), CONTEXT),
      provider.rewrapKey?.(Buffer.alloc(length), CONTEXT, provider.uri),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
    }
    expect(sent).toEqual([])
  })
})

describe('what AWS KMS answers', () => {
  it('is copied, and the array of the SDK zeroed', async () => {
    const plaintext = Uint8Array.from(KEY)
    const { client } = scripted({ KeyId: ARN, Plaintext: plaintext })
    const key = await awsKmsKeyProvider({ keyId: ARN, client }).unwrapKey(WRAP, CONTEXT)
    expect(Buffer.from(key)).toEqual(KEY)
    expect(plaintext).toEqual(new Uint8Array(32))
  })

  it.each<[string, object]>([
    ['another key', { KeyId: OTHER, Plaintext: Uint8Array.from(KEY) }],
    ['no key', { Plaintext: Uint8Array.from(KEY) }],
    ['31 bytes', { KeyId: ARN, Plaintext: Uint8Array.from(KEY).subarray(1) }],
    ['nothing', { KeyId: ARN }],
  ])('is refused when Decrypt used %s', async (_what, answer) => {
    const { client } = scripted(answer)
    const error = await caught(awsKmsKeyProvider({ keyId: ARN, client }).unwrapKey(WRAP, CONTEXT))
    expect(error).toMatchObject({ code: 'ERR_KEY_INTEGRITY', failure: 'integrity' })
    expect(inspect(error)).toMatch(/key 00112233445566ff|kek 00112233445566ff/)
    const left = (answer as { Plaintext?: Uint8Array }).Plaintext ?? []
    expect([...left].every((byte) => byte === 0)).toBe(true)
  })

  it.each<[string, object]>([
    ['another key', { KeyId: OTHER, CiphertextBlob: WRAP }],
    ['an empty wrap', { KeyId: ARN, CiphertextBlob: Buffer.alloc(0) }],
    ['an endless wrap', { KeyId: ARN, CiphertextBlob: Buffer.alloc(1025) }],
    ['no wrap', { KeyId: ARN }],
  ])('is refused when Encrypt or ReEncrypt gives %s', async (_what, answer) => {
    const { client } = scripted(answer, answer)
    const provider = awsKmsKeyProvider({ keyId: ARN, client })
    for (const call of [
      () => provider.wrapKey(KEY, CONTEXT),
      () => provider.rewrapKey?.(WRAP, CONTEXT, provider.uri) ?? Promise.resolve(),
    ]) {
      expect(await caught(call())).toMatchObject({ code: 'ERR_KEY_INTEGRITY' })
    }
  })

  async function caught(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => expect.unreachable(),
      (error: unknown) => error,
    )
  }
})

describe('rewrapping inside AWS KMS', () => {
  const euReplica = keyArn('eu-west-1', MRK)
  const usReplica = keyArn('us-east-1', MRK)

  it.each([
    ['the same key', ARN, ARN, ARN],
    ['another key of the Region', ARN, OTHER, OTHER],
    ['a replica elsewhere, read by the one here', usReplica, euReplica, usReplica],
  ])('takes a wrap from %s', async (_what, own, source, readAs) => {
    const { client, sent } = scripted({ KeyId: own, CiphertextBlob: WRAP })
    const provider = awsKmsKeyProvider({ keyId: own, client })
    const wrapped = await provider.rewrapKey?.(WRAP, CONTEXT, `aws-kms:${source}`)
    expect(Buffer.from(wrapped as Uint8Array)).toEqual(WRAP)
    expect(sent[0]).toMatchObject({
      operation: 'ReEncrypt',
      input: {
        SourceKeyId: readAs,
        SourceEncryptionContext: BOUND,
        DestinationKeyId: own,
        DestinationEncryptionContext: BOUND,
        CiphertextBlob: WRAP,
      },
    })
  })

  it.each([
    ['in-app:main'],
    ['pkcs11:token=kek;object=root'],
    ['aws-kms:alias/patients'],
    [`aws-kms:${keyArn('us-east-1', ID)}`],
    [`aws-kms:${usReplica}`],
    [''],
  ])('leaves %j to the keyring', async (sourceUri) => {
    const { client, sent } = scripted()
    const provider = awsKmsKeyProvider({ keyId: ARN, client })
    expect(await provider.rewrapKey?.(WRAP, CONTEXT, sourceUri)).toBeNull()
    expect(sent).toEqual([])
  })
})

describe('an AWS KMS provider', () => {
  it('shows its URI only, also to JSON', () => {
    const { client } = scripted()
    const provider = awsKmsKeyProvider({ keyId: ARN, client })
    expect(inspect(provider)).toBe(`KeyProvider { uri: 'aws-kms:${ARN}' }`)
    expect(JSON.stringify({ provider })).toBe(`{"provider":{"uri":"aws-kms:${ARN}"}}`)
    expect(Object.isFrozen(provider)).toBe(true)
  })

  it('answers nothing once it is closed', async () => {
    const { client, sent } = scripted()
    const provider = awsKmsKeyProvider({ keyId: ARN, client })
    await provider.close?.()
    for (const call of [
      provider.open?.(),
      provider.wrapKey(KEY, CONTEXT),
      provider.unwrapKey(WRAP, CONTEXT),
      provider.rewrapKey?.(WRAP, CONTEXT, provider.uri),
    ]) {
      await expect(call).rejects.toSatisfy((error) => isMortiseError(error, 'ERR_CLOSED'))
      await expect(call).rejects.toThrow(ARN)
    }
    expect(sent).toEqual([])
  })
})
