import {
  CreateGrantCommand,
  type CreateGrantCommandInput,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  type KMSClient,
  ListGrantsCommand,
  ReEncryptCommand,
  RetireGrantCommand,
  RevokeGrantCommand,
} from '@aws-sdk/client-kms'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KmsKey } from '../../../src/testing'
import { outcome, runEmulator } from './running'

const running = runEmulator()
const CONTEXT = { domain: 'default', version: '1' }
let app: KMSClient
let appArn: string
let key: KmsKey

beforeAll(() => {
  app = running.clientOf({ caller: 'app' })
  appArn = running.kms.credentials('app').arn
})
beforeEach(() => {
  key = running.kms.createKey({ restricted: true })
})

function grant(input: Partial<CreateGrantCommandInput>) {
  const defaults = { KeyId: key.arn, GranteePrincipal: appArn, Operations: ['Encrypt'] } as const
  const command = { ...defaults, ...input } as CreateGrantCommandInput
  return running.client.send(new CreateGrantCommand(command))
}

function encrypt(client: KMSClient, EncryptionContext: Record<string, string> = CONTEXT) {
  const input = { KeyId: key.arn, Plaintext: Buffer.of(1), EncryptionContext }
  return client.send(new EncryptCommand(input))
}

describe('a restricted key', () => {
  it('is for its owner, and refuses every other caller by name', async () => {
    expect(await outcome(encrypt(running.client))).toBe('ok')
    await expect(encrypt(app)).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringMatching(
        `^User: ${appArn} is not authorized to perform: kms:Encrypt on resource: ${key.arn}`,
      ),
    })
    const others = [
      new DescribeKeyCommand({ KeyId: key.arn }),
      new DisableKeyCommand({ KeyId: key.arn }),
      new ListGrantsCommand({ KeyId: key.arn }),
    ]
    for (const command of others) {
      expect(await outcome(app.send(command as never))).toBe('AccessDeniedException')
    }
  })

  it('is unlike other keys, which every caller of the account may use', async () => {
    key = running.kms.createKey()
    expect(await outcome(encrypt(app))).toBe('ok')
  })
})

describe('grants', () => {
  it('allow the operations that they name, to their grantee', async () => {
    await grant({ Operations: ['Encrypt', 'DescribeKey'] })
    const { CiphertextBlob } = await encrypt(app)
    expect(await outcome(app.send(new DescribeKeyCommand({ KeyId: key.arn })))).toBe('ok')
    const decrypt = new DecryptCommand({ CiphertextBlob, EncryptionContext: CONTEXT })
    expect(await outcome(app.send(decrypt))).toBe('AccessDeniedException')
    expect(await outcome(encrypt(running.clientOf({ caller: 'eve' })))).toBe(
      'AccessDeniedException',
    )
  })

  it('name both sides of ReEncrypt', async () => {
    const { CiphertextBlob } = await encrypt(running.client)
    const reEncrypt = () =>
      outcome(
        app.send(
          new ReEncryptCommand({
            CiphertextBlob,
            SourceEncryptionContext: CONTEXT,
            DestinationKeyId: key.arn,
          }),
        ),
      )
    await grant({ Operations: ['ReEncryptFrom'] })
    expect(await reEncrypt()).toBe('AccessDeniedException')
    await grant({ Operations: ['ReEncryptTo'] })
    expect(await reEncrypt()).toBe('ok')
  })

  it('hold for a context that contains, or equals, the one they name', async () => {
    await grant({ Constraints: { EncryptionContextSubset: { domain: 'default' } } })
    expect(await outcome(encrypt(app))).toBe('ok')
    expect(await outcome(encrypt(app, { domain: 'other' }))).toBe('AccessDeniedException')
    key = running.kms.createKey({ restricted: true })
    await grant({ Constraints: { EncryptionContextEquals: { domain: 'default' } } })
    expect(await outcome(encrypt(app, { domain: 'default' }))).toBe('ok')
    expect(await outcome(encrypt(app))).toBe('AccessDeniedException')
  })

  it('are listed and revoked', async () => {
    const { GrantId } = await grant({
      Name: 'app',
      Constraints: { EncryptionContextSubset: CONTEXT },
    })
    const list = new ListGrantsCommand({ KeyId: key.arn, GranteePrincipal: appArn })
    expect((await running.client.send(list)).Grants).toEqual([
      expect.objectContaining({
        GrantId,
        KeyId: key.arn,
        Name: 'app',
        GranteePrincipal: appArn,
        Operations: ['Encrypt'],
        Constraints: { EncryptionContextSubset: CONTEXT },
      }),
    ])
    const revoke = new RevokeGrantCommand({ KeyId: key.arn, GrantId })
    await running.client.send(revoke)
    expect(await outcome(encrypt(app))).toBe('AccessDeniedException')
    expect(await outcome(running.client.send(revoke))).toBe('NotFoundException')
  })

  it('are retired by their retiring principal, or by a grantee that may', async () => {
    const retiring = running.kms.credentials('janitor').arn
    const { GrantToken } = await grant({ RetiringPrincipal: retiring })
    expect(await outcome(app.send(new RetireGrantCommand({ GrantToken })))).toBe(
      'AccessDeniedException',
    )
    const janitor = running.clientOf({ caller: 'janitor' })
    expect(await outcome(janitor.send(new RetireGrantCommand({ GrantToken })))).toBe('ok')
    expect(await outcome(encrypt(app))).toBe('AccessDeniedException')
    const { GrantId } = await grant({ Operations: ['Encrypt', 'RetireGrant'] })
    const own = new RetireGrantCommand({ KeyId: key.arn, GrantId })
    expect(await outcome(app.send(own))).toBe('ok')
    const unknown = new RetireGrantCommand({ GrantToken: 'unknown' })
    expect(await outcome(app.send(unknown))).toBe('InvalidGrantTokenException')
  })

  it('are known by their token, which others are refused for', async () => {
    const { GrantToken } = await grant({})
    const input = { KeyId: key.arn, Plaintext: Buffer.of(1) }
    const known = new EncryptCommand({ ...input, GrantTokens: [GrantToken as string] })
    expect(await outcome(app.send(known))).toBe('ok')
    const unknown = new EncryptCommand({ ...input, GrantTokens: ['unknown'] })
    expect(await outcome(app.send(unknown))).toBe('InvalidGrantTokenException')
  })

  it('are not made in a dry run, for no operation, or for an unknown one', async () => {
    expect(await outcome(grant({ DryRun: true }))).toBe('DryRunOperationException')
    expect(await outcome(grant({ Operations: [] }))).toBe('ValidationException')
    expect(await outcome(grant({ Operations: ['Sing' as never] }))).toBe('ValidationException')
    expect(await outcome(encrypt(app))).toBe('AccessDeniedException')
  })
})
