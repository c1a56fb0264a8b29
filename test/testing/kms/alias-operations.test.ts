import {
  CreateAliasCommand,
  CreateGrantCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  ListAliasesCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { outcome, runEmulator } from './running'

const running = runEmulator()
const send = (command: unknown) => running.client.send(command as CreateAliasCommand)

async function targetOf(KeyId: string): Promise<string | undefined> {
  const { KeyMetadata } = await running.client.send(new DescribeKeyCommand({ KeyId }))
  return KeyMetadata?.Arn
}

it('names a key, moves the name and drops it', async () => {
  const [one, two] = [running.kms.createKey(), running.kms.createKey()]
  const AliasName = 'alias/app/patients'
  await send(new CreateAliasCommand({ AliasName, TargetKeyId: one.arn }))
  const arn = `arn:aws:kms:eu-central-1:${running.kms.accountId}:${AliasName}`
  expect(await targetOf(AliasName)).toBe(one.arn)
  expect(await targetOf(arn)).toBe(one.arn)
  await send(new UpdateAliasCommand({ AliasName, TargetKeyId: two.keyId }))
  expect(await targetOf(AliasName)).toBe(two.arn)
  const { Aliases } = await running.client.send(new ListAliasesCommand({ KeyId: two.arn }))
  expect(Aliases).toEqual([
    expect.objectContaining({ AliasName, AliasArn: arn, TargetKeyId: two.keyId }),
  ])
  await send(new DeleteAliasCommand({ AliasName }))
  expect(await outcome(targetOf(AliasName))).toBe('NotFoundException')
  expect(await outcome(send(new DeleteAliasCommand({ AliasName })))).toBe('NotFoundException')
})

it('belongs to one Region', async () => {
  running.kms.createKey({ alias: 'alias/regional' })
  const elsewhere = running.clientOf({ region: 'us-east-1' })
  const command = new EncryptCommand({ KeyId: 'alias/regional', Plaintext: Buffer.of(1) })
  expect(await outcome(running.client.send(command))).toBe('ok')
  expect(await outcome(elsewhere.send(command))).toBe('NotFoundException')
})

it('is refused where it is malformed, reserved or taken', async () => {
  const { arn } = running.kms.createKey({ alias: 'alias/taken' })
  const create = (AliasName: string) =>
    outcome(send(new CreateAliasCommand({ AliasName, TargetKeyId: arn })))
  expect(await create('alias/taken')).toBe('AlreadyExistsException')
  expect(await create('alias/aws/ebs')).toBe('InvalidAliasNameException')
  expect(await create('alias/two words')).toBe('InvalidAliasNameException')
  expect(await create('taken')).toBe('InvalidAliasNameException')
  expect(() => running.kms.createKey({ alias: 'alias/taken' })).toThrow('already exists')
})

it('does not name the key of operations that administer it', async () => {
  const TargetKeyId = 'alias/not-here'
  const { arn } = running.kms.createKey({ alias: TargetKeyId })
  const grant = { GranteePrincipal: 'arn:aws:iam::111122223333:user/a', Operations: ['Decrypt'] }
  const commands = [
    new DisableKeyCommand({ KeyId: TargetKeyId }),
    new CreateAliasCommand({ AliasName: 'alias/other', TargetKeyId }),
    new CreateGrantCommand({ KeyId: TargetKeyId, ...(grant as object) } as never),
  ]
  for (const command of commands) expect(await outcome(send(command))).toBe('NotFoundException')
  expect(await targetOf(TargetKeyId)).toBe(arn)
})
