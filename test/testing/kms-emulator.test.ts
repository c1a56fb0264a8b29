import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
} from '@aws-sdk/client-kms'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type KmsEmulator, startKmsEmulator } from '../../src/testing'

let emulator: KmsEmulator
let client: KMSClient

beforeAll(async () => {
  emulator = await startKmsEmulator()
  client = new KMSClient({ ...emulator.clientConfig, maxAttempts: 1 })
})
afterAll(async () => {
  client.destroy()
  await emulator.close()
})

it('decrypts what it encrypted', async () => {
  const { arn } = emulator.createKey({ alias: 'alias/one' })
  const EncryptionContext = { b: '2', a: '1' }
  const { CiphertextBlob, KeyId } = await client.send(
    new EncryptCommand({ KeyId: 'alias/one', Plaintext: Buffer.from('hello'), EncryptionContext }),
  )
  expect(KeyId).toBe(arn)
  const opened = await client.send(
    new DecryptCommand({ KeyId: arn, CiphertextBlob, EncryptionContext: { a: '1', b: '2' } }),
  )
  expect(Buffer.from(opened.Plaintext as Uint8Array).toString()).toBe('hello')
  await expect(client.send(new DecryptCommand({ KeyId: arn, CiphertextBlob }))).rejects.toThrow(
    expect.objectContaining({ name: 'InvalidCiphertextException' }),
  )
  const key = await client.send(new GenerateDataKeyCommand({ KeyId: arn, KeySpec: 'AES_256' }))
  expect(key.Plaintext).toHaveLength(32)
  emulator.inject({ effect: 'throttled', times: 1 })
  await expect(client.send(new DecryptCommand({ KeyId: arn, CiphertextBlob }))).rejects.toThrow(
    expect.objectContaining({ name: 'ThrottlingException' }),
  )
  expect(emulator.calls.map(({ operation, outcome }) => [operation, outcome])).toEqual([
    ['Encrypt', 'ok'],
    ['Decrypt', 'ok'],
    ['Decrypt', 'InvalidCiphertextException'],
    ['GenerateDataKey', 'ok'],
    ['Decrypt', 'ThrottlingException'],
  ])
})
