import {
  DecryptCommand,
  DisableKeyRotationCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GetKeyRotationStatusCommand,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { outcome, runEmulator } from './running'

const running = runEmulator()

it('opens what every earlier material encrypted', async () => {
  const { arn: KeyId } = running.kms.createKey()
  const blobs: (Uint8Array | undefined)[] = []
  for (const byte of [1, 2, 3]) {
    const command = new EncryptCommand({ KeyId, Plaintext: Buffer.of(byte) })
    blobs.push((await running.client.send(command)).CiphertextBlob)
    await running.client.send(new RotateKeyOnDemandCommand({ KeyId }))
  }
  const opened = await Promise.all(
    blobs.map((CiphertextBlob) =>
      running.client.send(new DecryptCommand({ KeyId, CiphertextBlob })),
    ),
  )
  expect(opened.map(({ Plaintext }) => Plaintext?.[0])).toEqual([1, 2, 3])
  expect(new Set(opened.map(({ KeyMaterialId }) => KeyMaterialId)).size).toBe(3)
})

it('lists rotations and refuses more than 25 on demand', async () => {
  const { arn: KeyId } = running.kms.createKey()
  const rotate = () => outcome(running.client.send(new RotateKeyOnDemandCommand({ KeyId })))
  for (let i = 0; i < 25; i++) expect(await rotate()).toBe('ok')
  expect(await rotate()).toBe('LimitExceededException')
  const { Rotations } = await running.client.send(new ListKeyRotationsCommand({ KeyId }))
  expect(Rotations).toHaveLength(25)
  expect(Rotations?.[0]).toMatchObject({
    KeyId,
    RotationType: 'ON_DEMAND',
    RotationDate: expect.any(Date),
  })
})

it('remembers whether automatic rotation is on', async () => {
  const { arn: KeyId } = running.kms.createKey()
  const status = () => running.client.send(new GetKeyRotationStatusCommand({ KeyId }))
  expect(await status()).toMatchObject({ KeyRotationEnabled: false })
  await running.client.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }))
  expect(await status()).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 90 })
  await running.client.send(new EnableKeyRotationCommand({ KeyId }))
  expect(await status()).toMatchObject({ RotationPeriodInDays: 365 })
  await running.client.send(new DisableKeyRotationCommand({ KeyId }))
  expect(await status()).toMatchObject({ KeyRotationEnabled: false })
  const tooOften = new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 89 })
  expect(await outcome(running.client.send(tooOften))).toBe('ValidationException')
})

it('is for symmetric keys only', async () => {
  const { arn: KeyId } = running.kms.createKey({ keySpec: 'HMAC_256' })
  const call = running.client.send(new RotateKeyOnDemandCommand({ KeyId }))
  expect(await outcome(call)).toBe('UnsupportedOperationException')
})
