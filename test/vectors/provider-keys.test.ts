import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { awsKmsKeyProvider } from '../../src/aws-kms'
import { encodeParts } from '../../src/bytes'
import type { MortiseErrorCode } from '../../src/errors'
import { contextParts } from '../../src/providers/context'
import { pkcs11KeyProvider } from '../../src/providers/pkcs11'
import type { KeyContext, KeyProvider } from '../../src/providers/provider'
import { administrate, ck, SKIPPED, type SoftHsm, setUpSoftHsm } from '../providers/pkcs11/softhsm'
import { hex, readVectors } from './load'

type Mechanism = 'CKM_AES_KEY_WRAP' | 'CKM_AES_GCM'

const { hsm, hsmMustFail, hsmRootKey, awsKms } = readVectors<{
  hsmRootKey: string
  hsm: {
    name: string
    mechanism: Mechanism
    context: KeyContext
    encodedContext: string
    key: string
    wrapped: string
  }[]
  hsmMustFail: { name: string; context: KeyContext; wrapped: string; code: MortiseErrorCode }[]
  awsKms: { context: KeyContext; encryptionContext: Record<string, string> }[]
}>('provider-keys.json')

test.each(hsm)('the context of $name', ({ context, encodedContext }) => {
  const encoded = encodeParts('mortise/1/context', ...contextParts(context))
  expect(encoded.toString('hex')).toBe(encodedContext)
})

const found = setUpSoftHsm()

describe.skipIf(found === null)(`on SoftHSM${found === null ? ` (${SKIPPED})` : ''}`, () => {
  const token = found as SoftHsm
  let provider: KeyProvider

  beforeAll(() => {
    const value = { [ck.CKA_VALUE]: hex(hsmRootKey) }
    administrate(token, ({ createKey }) => createKey('vectors', value))
    const { module, token: name, pin } = token
    provider = pkcs11KeyProvider({ module, token: name, key: 'vectors', pin })
  })
  afterAll(async () => {
    await provider.close?.()
    rmSync(token.folder, { recursive: true, force: true })
  })

  test.each(hsm)('$name', async ({ mechanism, context, key, wrapped }) => {
    expect(Buffer.from(await provider.unwrapKey(hex(wrapped), context))).toEqual(hex(key))
    if (mechanism !== 'CKM_AES_KEY_WRAP') return
    expect(Buffer.from(await provider.wrapKey(hex(key), context))).toEqual(hex(wrapped))
  })

  test.each(hsmMustFail)('must fail: $name -> $code', async ({ context, wrapped, code }) => {
    await expect(provider.unwrapKey(hex(wrapped), context)).rejects.toMatchObject({ code })
  })
})

test.each(awsKms)('encryption context of $context.id', async ({ context, encryptionContext }) => {
  const keyId = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
  const asked: unknown[] = []
  const send = async ({ input }: { input: { EncryptionContext: unknown } }) => {
    asked.push(input.EncryptionContext)
    return { KeyId: keyId, CiphertextBlob: Buffer.alloc(184), Plaintext: Buffer.alloc(32) }
  }
  const provider = awsKmsKeyProvider({ keyId, client: { send } as never })
  await provider.unwrapKey(await provider.wrapKey(Buffer.alloc(32), context), context)
  expect(asked).toEqual([encryptionContext, encryptionContext])
})
