import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { awsKmsKeyProvider } from '../../src/aws-kms'
import { providerConformance } from '../../src/testing'

// A second opinion on the protocol by people who do not know mortise. moto is right about success,
// context and tampering. It differs from AWS KMS (5.2.1) in what is not asked of it here: it lets
// disabled keys and keys pending deletion be used, takes any SourceKeyId, has no throttling, and
// where a blob names another key than KeyId it answers AccessDeniedException.
const program = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'moto_server'))
  .find((path) => existsSync(path))

const SECRET = 'a secret access key'
const CONTEXT = {
  ...({ use: 'kek', domain: 'default', purpose: 'data' } as const),
  ...{ id: '00112233445566ff', version: 1 },
}

if (program === undefined) {
  it.skip('AWS KMS provider on moto_server (to run it: pip install "moto[server]")', () => {})
} else {
  describe('AWS KMS provider on moto_server', () => {
    let server: ChildProcess
    let client: KMSClient
    let arns: readonly string[]

    beforeAll(async () => {
      const port = await freePort()
      server = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
      client = new KMSClient({
        endpoint: `http://127.0.0.1:${port}`,
        region: 'eu-central-1',
        credentials: { accessKeyId: 'test', secretAccessKey: SECRET },
        maxAttempts: 1,
      })
      await answering()
      arns = [await createKey(), await createKey()]
    })

    afterAll(() => {
      client?.destroy()
      server?.kill()
    })

    const target = {
      create: () => awsKmsKeyProvider({ keyId: arns[0] as string, client: likeAws(client) }),
      createOther: () => awsKmsKeyProvider({ keyId: arns[1] as string, client: likeAws(client) }),
    }

    for (const { name, run } of providerConformance({ ...target, secrets: [SECRET] })) it(name, run)

    it('resolves an alias', async () => {
      const alias = { AliasName: 'alias/patients', TargetKeyId: arns[0] }
      await client.send(new CreateAliasCommand(alias))
      const provider = awsKmsKeyProvider({ keyId: 'alias/patients', client })
      await provider.open?.()
      expect(provider.uri).toBe(`aws-kms:${arns[0]}`)
    })

    it('moves a wrap to another key by ReEncrypt', async () => {
      const key = Buffer.from('3f'.repeat(16) + 'a4'.repeat(16), 'hex')
      const [source, destination] = [target.create(), target.createOther()]
      const wrapped = await source.wrapKey(key, CONTEXT)
      const moved = await destination.rewrapKey?.(wrapped, CONTEXT, source.uri)
      expect(Buffer.from(await destination.unwrapKey(moved as Uint8Array, CONTEXT))).toEqual(key)
    })

    async function createKey(): Promise<string> {
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
      return KeyMetadata?.Arn as string
    }

    async function answering(): Promise<void> {
      const deadline = Date.now() + 30_000
      for (;;) {
        try {
          await createKey()
          return
        } catch (error) {
          if (Date.now() > deadline || server.exitCode !== null) throw error
          await sleep(100)
        }
      }
    }
  })
}

/** Answers IncorrectKeyException, as AWS KMS does, where moto denies; nothing else is denied here. */
function likeAws(client: KMSClient): KMSClient {
  const send = (...args: Parameters<KMSClient['send']>): Promise<unknown> =>
    (client.send(...args) as unknown as Promise<unknown>).catch((error: Error) => {
      const differs = error.name === 'AccessDeniedException'
      throw differs ? Object.assign(error, { name: 'IncorrectKeyException' }) : error
    })
  return { send } as unknown as KMSClient
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
