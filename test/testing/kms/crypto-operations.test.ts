import {
  DecryptCommand,
  type DecryptCommandInput,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateRandomCommand,
  ReEncryptCommand,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { outcome, runEmulator } from './running'

const running = runEmulator()
const PLAINTEXT = Buffer.from('thirty-two bytes of a secret key')
const CONTEXT = { purpose: 'test', domain: 'default' }

async function encrypt(KeyId: string, EncryptionContext: Record<string, string> = CONTEXT) {
  const command = new EncryptCommand({ KeyId, Plaintext: PLAINTEXT, EncryptionContext })
  const { CiphertextBlob } = await running.client.send(command)
  return CiphertextBlob as Uint8Array
}

function decrypt(input: DecryptCommandInput) {
  return running.client.send(new DecryptCommand(input))
}

describe('Encrypt and Decrypt', () => {
  it('give back what went in, name the key by its ARN, and never encrypt twice alike', async () => {
    const { arn, keyId } = running.kms.createKey()
    const CiphertextBlob = await encrypt(keyId)
    const opened = await decrypt({ CiphertextBlob, KeyId: keyId, EncryptionContext: CONTEXT })
    expect(opened).toMatchObject({ KeyId: arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' })
    expect(Buffer.from(opened.Plaintext as Uint8Array)).toEqual(PLAINTEXT)
    expect(await encrypt(keyId)).not.toEqual(CiphertextBlob)
    expect(Buffer.from(CiphertextBlob).includes(PLAINTEXT)).toBe(false)
  })

  it('find the key of a blob without a KeyId, and take context pairs in any order', async () => {
    const { arn } = running.kms.createKey()
    const CiphertextBlob = await encrypt(arn, { a: '1', b: '2' })
    const EncryptionContext = { b: '2', a: '1' }
    expect(await decrypt({ CiphertextBlob, EncryptionContext })).toMatchObject({ KeyId: arn })
  })

  it.each([
    ['missing', undefined],
    ['incomplete', { purpose: 'test' }],
    ['larger', { ...CONTEXT, more: '1' }],
    ['different in case', { ...CONTEXT, domain: 'Default' }],
    ['joined differently', { purposetest: 'domaindefault' }],
  ])('refuse a context that is %s', async (_what, EncryptionContext) => {
    const { arn } = running.kms.createKey()
    const CiphertextBlob = await encrypt(arn)
    const call = decrypt({ CiphertextBlob, KeyId: arn, EncryptionContext } as never)
    expect(await outcome(call)).toBe('InvalidCiphertextException')
  })

  it('refuse a blob with a changed bit in any byte, and one of any other length', async () => {
    const { arn } = running.kms.createKey()
    const whole = Buffer.from(await encrypt(arn))
    const changed = [...whole.keys()].map((at) => {
      const copy = Buffer.from(whole)
      copy[at] = (copy[at] as number) ^ (1 << (at % 8))
      return copy
    })
    const others = [whole.subarray(1), whole.subarray(0, -1), Buffer.concat([whole, whole])]
    for (const CiphertextBlob of [...changed, ...others]) {
      const call = decrypt({ CiphertextBlob, KeyId: arn, EncryptionContext: CONTEXT })
      expect(await outcome(call)).toBe('InvalidCiphertextException')
    }
  })

  it('never let the blob choose the key over KeyId', async () => {
    const [one, other] = [running.kms.createKey(), running.kms.createKey()]
    const CiphertextBlob = await encrypt(one.arn)
    const call = decrypt({ CiphertextBlob, KeyId: other.arn, EncryptionContext: CONTEXT })
    expect(await outcome(call)).toBe('IncorrectKeyException')
  })

  it('do not know the keys of another Region', async () => {
    const { arn } = running.kms.createKey()
    const CiphertextBlob = await encrypt(arn)
    const elsewhere = running.clientOf({ region: 'us-east-1' })
    const named = new DecryptCommand({ CiphertextBlob, KeyId: arn, EncryptionContext: CONTEXT })
    expect(await outcome(elsewhere.send(named))).toBe('NotFoundException')
    const unnamed = new DecryptCommand({ CiphertextBlob, EncryptionContext: CONTEXT })
    expect(await outcome(elsewhere.send(unnamed))).toBe('InvalidCiphertextException')
  })

  it('take 1 to 4,096 bytes', async () => {
    const { arn } = running.kms.createKey()
    const send = (size: number) =>
      outcome(
        running.client.send(new EncryptCommand({ KeyId: arn, Plaintext: Buffer.alloc(size) })),
      )
    expect(await Promise.all([0, 1, 4096, 4097].map(send))).toEqual([
      'ValidationException',
      'ok',
      'ok',
      'ValidationException',
    ])
  })

  it('find every error in a dry run, and do nothing in it', async () => {
    const { arn } = running.kms.createKey()
    const CiphertextBlob = await encrypt(arn)
    const dry = { KeyId: arn, DryRun: true, EncryptionContext: CONTEXT }
    expect(await outcome(decrypt({ ...dry, CiphertextBlob }))).toBe('DryRunOperationException')
    const wrong = { ...dry, EncryptionContext: {}, CiphertextBlob }
    expect(await outcome(decrypt(wrong))).toBe('InvalidCiphertextException')
    const encryption = new EncryptCommand({ ...dry, Plaintext: PLAINTEXT })
    expect(await outcome(running.client.send(encryption))).toBe('DryRunOperationException')
  })

  it('refuse keys that are for something else', async () => {
    const hmac = running.kms.createKey({ keySpec: 'HMAC_256' })
    const rsa = running.kms.createKey({ keySpec: 'RSA_2048' })
    expect(await outcome(encrypt(hmac.arn))).toBe('InvalidKeyUsageException')
    expect(await outcome(encrypt(rsa.arn))).toBe('UnsupportedOperationException')
  })
})

describe('GenerateDataKey', () => {
  it('gives a key and its wrap, or the wrap alone', async () => {
    const { arn } = running.kms.createKey({ alias: 'alias/data-keys' })
    const input = {
      KeyId: 'alias/data-keys',
      KeySpec: 'AES_256',
      EncryptionContext: CONTEXT,
    } as const
    const made = await running.client.send(new GenerateDataKeyCommand(input))
    expect(made).toMatchObject({ KeyId: arn })
    expect(made.Plaintext).toHaveLength(32)
    const { CiphertextBlob } = made
    const opened = await decrypt({ CiphertextBlob, KeyId: arn, EncryptionContext: CONTEXT })
    expect(opened.Plaintext).toEqual(made.Plaintext)
    expect(opened.KeyMaterialId).toBe(made.KeyMaterialId)
    const alone = await running.client.send(new GenerateDataKeyWithoutPlaintextCommand(input))
    expect(alone).not.toHaveProperty('Plaintext')
    const inner = await decrypt({ ...alone, EncryptionContext: CONTEXT } as never)
    expect(inner.Plaintext).toHaveLength(32)
  })

  it.each([
    [{ KeySpec: 'AES_128' }, 16],
    [{ NumberOfBytes: 1 }, 1],
    [{ NumberOfBytes: 1024 }, 1024],
  ] as const)('makes %o of %i bytes', async (size, length) => {
    const { arn } = running.kms.createKey()
    const made = await running.client.send(new GenerateDataKeyCommand({ KeyId: arn, ...size }))
    expect(made.Plaintext).toHaveLength(length)
  })

  it.each([
    {},
    { KeySpec: 'AES_256', NumberOfBytes: 32 },
    { NumberOfBytes: 0 },
    { KeySpec: 'DES' },
  ])('refuses %o', async (size) => {
    const { arn } = running.kms.createKey()
    const call = running.client.send(new GenerateDataKeyCommand({ KeyId: arn, ...size } as never))
    expect(await outcome(call)).toBe('ValidationException')
  })

  it('does not pretend to serve an enclave', async () => {
    const { arn } = running.kms.createKey()
    const Recipient = { AttestationDocument: Buffer.of(1) }
    const input = { KeyId: arn, KeySpec: 'AES_256', Recipient } as const
    const call = running.client.send(new GenerateDataKeyCommand(input))
    expect(await outcome(call)).toBe('UnsupportedOperationException')
  })
})

describe('ReEncrypt', () => {
  it('moves a blob to another key and context without showing the plaintext', async () => {
    const [from, to] = [running.kms.createKey(), running.kms.createKey()]
    const CiphertextBlob = await encrypt(from.arn)
    const moved = await running.client.send(
      new ReEncryptCommand({
        CiphertextBlob,
        SourceKeyId: from.arn,
        SourceEncryptionContext: CONTEXT,
        DestinationKeyId: to.keyId,
        DestinationEncryptionContext: { moved: 'yes' },
      }),
    )
    expect(moved).toMatchObject({ SourceKeyId: from.arn, KeyId: to.arn })
    expect(moved).not.toHaveProperty('Plaintext')
    const opened = await decrypt({
      CiphertextBlob: moved.CiphertextBlob,
      KeyId: to.arn,
      EncryptionContext: { moved: 'yes' },
    })
    expect(Buffer.from(opened.Plaintext as Uint8Array)).toEqual(PLAINTEXT)
    expect(running.kms.calls.at(-2)).toMatchObject({
      operation: 'ReEncrypt',
      keyArn: to.arn,
      sourceKeyArn: from.arn,
      encryptionContext: { moved: 'yes' },
    })
  })

  it('refuses a wrong source key, a wrong source context and a dry run', async () => {
    const [from, to] = [running.kms.createKey(), running.kms.createKey()]
    const right = {
      CiphertextBlob: await encrypt(from.arn),
      SourceKeyId: from.arn,
      SourceEncryptionContext: CONTEXT,
      DestinationKeyId: to.arn,
    }
    const send = (change: object) =>
      outcome(running.client.send(new ReEncryptCommand({ ...right, ...change })))
    expect(await send({})).toBe('ok')
    expect(await send({ SourceKeyId: undefined })).toBe('ok')
    expect(await send({ SourceKeyId: to.arn })).toBe('IncorrectKeyException')
    expect(await send({ SourceEncryptionContext: {} })).toBe('InvalidCiphertextException')
    expect(await send({ DestinationKeyId: 'alias/none' })).toBe('NotFoundException')
    expect(await send({ DryRun: true })).toBe('DryRunOperationException')
  })

  it('brings a blob under the new material of a rotated key', async () => {
    const { arn } = running.kms.createKey()
    const CiphertextBlob = await encrypt(arn)
    await running.client.send(new RotateKeyOnDemandCommand({ KeyId: arn }))
    const contexts = { SourceEncryptionContext: CONTEXT, DestinationEncryptionContext: CONTEXT }
    const moved = await running.client.send(
      new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: arn, ...contexts }),
    )
    expect(moved.SourceKeyMaterialId).not.toBe(moved.DestinationKeyMaterialId)
  })
})

describe('GenerateRandom', () => {
  it('gives as many bytes as asked for', async () => {
    const draw = () => running.client.send(new GenerateRandomCommand({ NumberOfBytes: 100 }))
    const [one, other] = [await draw(), await draw()]
    expect(one.Plaintext).toHaveLength(100)
    expect(one.Plaintext).not.toEqual(other.Plaintext)
    const none = running.client.send(new GenerateRandomCommand({}))
    expect(await outcome(none)).toBe('ValidationException')
  })
})
