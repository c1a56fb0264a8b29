import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  ListKeysCommand,
  ReEncryptCommand,
  ReplicateKeyCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { outcome, runEmulator } from './running'

const running = runEmulator()

async function describeKey(KeyId: string) {
  const { KeyMetadata } = await running.client.send(new DescribeKeyCommand({ KeyId }))
  return KeyMetadata
}

describe('CreateKey and DescribeKey', () => {
  it('make and describe a symmetric key', async () => {
    const { KeyMetadata } = await running.client.send(new CreateKeyCommand({ Description: 'one' }))
    expect(KeyMetadata).toMatchObject({
      AWSAccountId: running.kms.accountId,
      Arn: `arn:aws:kms:eu-central-1:${running.kms.accountId}:key/${KeyMetadata?.KeyId}`,
      KeyId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-/),
      Description: 'one',
      Enabled: true,
      KeyState: 'Enabled',
      KeyUsage: 'ENCRYPT_DECRYPT',
      KeySpec: 'SYMMETRIC_DEFAULT',
      EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
      Origin: 'AWS_KMS',
      MultiRegion: false,
      CreationDate: expect.any(Date),
    })
    expect(await describeKey(KeyMetadata?.KeyId as string)).toEqual(KeyMetadata)
  })

  it('describe keys of other kinds, to be refused by whoever needs a symmetric one', async () => {
    const hmac = running.kms.createKey({ keySpec: 'HMAC_256' })
    expect(await describeKey(hmac.arn)).toMatchObject({ KeyUsage: 'GENERATE_VERIFY_MAC' })
    const rsa = running.kms.createKey({ keySpec: 'RSA_2048', keyUsage: 'SIGN_VERIFY' })
    expect(await describeKey(rsa.arn)).toMatchObject({ KeySpec: 'RSA_2048' })
  })

  it.each([{ Policy: '{}' }, { Origin: 'EXTERNAL' }, { CustomKeyStoreId: 'cks-1' }] as const)(
    'refuse %o rather than ignore it',
    async (input) => {
      const call = running.client.send(new CreateKeyCommand(input))
      expect(await outcome(call)).toBe('UnsupportedOperationException')
    },
  )

  it('refuse an unknown spec', async () => {
    const call = running.client.send(new CreateKeyCommand({ KeySpec: 'ROT_13' as never }))
    expect(await outcome(call)).toBe('ValidationException')
  })

  it.each([
    ['an unknown id', '00000000-0000-4000-8000-000000000000', 'NotFoundException'],
    ['an unknown alias', 'alias/none', 'NotFoundException'],
    ['another account', 'arn:aws:kms:eu-central-1:999999999999:key/x', 'NotFoundException'],
    ['another Region', 'arn:aws:kms:eu-west-1:111122223333:key/x', 'NotFoundException'],
    ['no KMS ARN', 'arn:aws:s3:::bucket', 'InvalidArnException'],
    ['a name of 3,000 characters', 'x'.repeat(3000), 'ValidationException'],
  ])('do not find %s', async (_what, KeyId, error) => {
    expect(await outcome(describeKey(KeyId))).toBe(error)
  })
})

describe('ListKeys', () => {
  it('pages through the keys of a Region', async () => {
    const client = running.clientOf({ region: 'ap-south-1' })
    const keys = [1, 2, 3].map(() => running.kms.createKey({ region: 'ap-south-1' }))
    const first = await client.send(new ListKeysCommand({ Limit: 2 }))
    expect(first).toMatchObject({ Truncated: true, NextMarker: expect.any(String) })
    const last = await client.send(new ListKeysCommand({ Limit: 2, Marker: first.NextMarker }))
    expect(last.Truncated).toBe(false)
    expect([...(first.Keys ?? []), ...(last.Keys ?? [])].map(({ KeyArn }) => KeyArn)).toEqual(
      keys.map(({ arn }) => arn),
    )
    const wrong = client.send(new ListKeysCommand({ Marker: 'nonsense' }))
    expect(await outcome(wrong)).toBe('InvalidMarkerException')
  })
})

describe('key states', () => {
  /** The error of every operation that a key's state may forbid. */
  async function uses(KeyId: string, CiphertextBlob: Uint8Array): Promise<string[]> {
    const grant = { GranteePrincipal: 'arn:aws:iam::111122223333:user/a', Operations: ['Decrypt'] }
    const commands = [
      new EncryptCommand({ KeyId, Plaintext: Buffer.of(1) }),
      new DecryptCommand({ KeyId, CiphertextBlob }),
      new DecryptCommand({ CiphertextBlob }),
      new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: KeyId }),
      new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }),
      new RotateKeyOnDemandCommand({ KeyId }),
      new CreateGrantCommand({ KeyId, ...(grant as object) } as never),
    ]
    return Promise.all(commands.map((command) => outcome(running.client.send(command as never))))
  }

  async function blobOf(KeyId: string): Promise<Uint8Array> {
    const command = new EncryptCommand({ KeyId, Plaintext: Buffer.of(1) })
    return (await running.client.send(command)).CiphertextBlob as Uint8Array
  }

  it('disabled: refused with DisabledException until it is enabled', async () => {
    const { arn } = running.kms.createKey()
    const blob = await blobOf(arn)
    await running.client.send(new DisableKeyCommand({ KeyId: arn }))
    expect(await describeKey(arn)).toMatchObject({ Enabled: false, KeyState: 'Disabled' })
    expect(new Set(await uses(arn, blob))).toEqual(new Set(['DisabledException']))
    await running.client.send(new EnableKeyCommand({ KeyId: arn }))
    expect(new Set(await uses(arn, blob))).toEqual(new Set(['ok']))
  })

  it('pending deletion: refused with KMSInvalidStateException, and disabled once cancelled', async () => {
    const { arn } = running.kms.createKey()
    const blob = await blobOf(arn)
    const scheduled = new ScheduleKeyDeletionCommand({ KeyId: arn, PendingWindowInDays: 7 })
    expect(await running.client.send(scheduled)).toMatchObject({
      KeyId: arn,
      KeyState: 'PendingDeletion',
      PendingWindowInDays: 7,
      DeletionDate: expect.any(Date),
    })
    expect(await describeKey(arn)).toMatchObject({ KeyState: 'PendingDeletion', Enabled: false })
    expect(new Set(await uses(arn, blob))).toEqual(new Set(['KMSInvalidStateException']))
    const others = [
      new EnableKeyCommand({ KeyId: arn }),
      new DisableKeyCommand({ KeyId: arn }),
      scheduled,
      new CreateAliasCommand({ AliasName: 'alias/late', TargetKeyId: arn }),
    ]
    for (const command of others) {
      const call = running.client.send(command as never)
      expect(await outcome(call)).toBe('KMSInvalidStateException')
    }
    await running.client.send(new CancelKeyDeletionCommand({ KeyId: arn }))
    expect(await describeKey(arn)).toMatchObject({ KeyState: 'Disabled' })
    const again = running.client.send(new CancelKeyDeletionCommand({ KeyId: arn }))
    expect(await outcome(again)).toBe('KMSInvalidStateException')
  })

  it.each([6, 31, 7.5])('refuses a window of %d days', async (PendingWindowInDays) => {
    const { arn } = running.kms.createKey()
    const command = new ScheduleKeyDeletionCommand({ KeyId: arn, PendingWindowInDays })
    expect(await outcome(running.client.send(command))).not.toBe('ok')
  })
})

describe('multi-Region keys', () => {
  it('share key id and material, not ARN and state', async () => {
    const primary = running.kms.createKey({ multiRegion: true })
    expect(primary.keyId).toMatch(/^mrk-[0-9a-f]{32}$/)
    const replicate = new ReplicateKeyCommand({ KeyId: primary.arn, ReplicaRegion: 'us-east-1' })
    const { ReplicaKeyMetadata } = await running.client.send(replicate)
    expect(ReplicaKeyMetadata).toMatchObject({
      KeyId: primary.keyId,
      Arn: primary.arn.replace('eu-central-1', 'us-east-1'),
      MultiRegionConfiguration: {
        MultiRegionKeyType: 'REPLICA',
        PrimaryKey: { Arn: primary.arn, Region: 'eu-central-1' },
        ReplicaKeys: [{ Region: 'us-east-1' }],
      },
    })
    const elsewhere = running.clientOf({ region: 'us-east-1' })
    const { CiphertextBlob } = await running.client.send(
      new EncryptCommand({ KeyId: primary.arn, Plaintext: Buffer.of(7) }),
    )
    await running.client.send(new DisableKeyCommand({ KeyId: primary.arn }))
    const KeyId = ReplicaKeyMetadata?.Arn
    const opened = await elsewhere.send(new DecryptCommand({ KeyId, CiphertextBlob }))
    expect(Buffer.from(opened.Plaintext as Uint8Array)).toEqual(Buffer.of(7))
    const rotate = elsewhere.send(new RotateKeyOnDemandCommand({ KeyId }))
    expect(await outcome(rotate)).toBe('UnsupportedOperationException')
  })

  it('are replicated once for each Region, from the primary, and only if they are such keys', async () => {
    const single = running.kms.createKey()
    const primary = running.kms.createKey({ multiRegion: true })
    const replicate = (KeyId: string, ReplicaRegion: string) =>
      outcome(running.client.send(new ReplicateKeyCommand({ KeyId, ReplicaRegion })))
    expect(await replicate(single.arn, 'us-east-1')).toBe('UnsupportedOperationException')
    expect(await replicate(primary.arn, 'us-east-1')).toBe('ok')
    expect(await replicate(primary.arn, 'us-east-1')).toBe('AlreadyExistsException')
    expect(await replicate(primary.arn, 'eu-central-1')).toBe('AlreadyExistsException')
    expect(await replicate(primary.arn, 'nowhere')).toBe('ValidationException')
    const elsewhere = running.clientOf({ region: 'us-east-1' })
    const again = new ReplicateKeyCommand({ KeyId: primary.keyId, ReplicaRegion: 'eu-west-1' })
    expect(await outcome(elsewhere.send(again))).toBe('UnsupportedOperationException')
  })
})
