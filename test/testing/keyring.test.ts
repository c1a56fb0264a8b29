import { describe, expect, it } from 'vitest'
import { createFieldCipher, memoryKeyStore } from '../../src'
import { generateRootKey, inAppKeyProvider } from '../../src/providers/in-app'
import { testKeyring } from '../../src/testing'

describe('testKeyring', () => {
  it('seals and opens without any set-up', async () => {
    const keyring = testKeyring()
    const cipher = createFieldCipher(keyring, { field: 'test.value', type: 'string' })
    expect(await cipher.open(await cipher.seal('Ada'))).toBe('Ada')
    expect((await keyring.keys()).map(({ purpose }) => purpose)).toContain('data')
    await keyring.close()
  })

  it('shares nothing with another one', async () => {
    const [one, other] = [testKeyring(), testKeyring()].map((keyring) =>
      createFieldCipher(keyring, { field: 'test.value', type: 'string' }),
    )
    const envelope = await one!.seal('Ada')
    await expect(other!.open(envelope)).rejects.toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
  })

  it('takes the options of createKeyring in place of its own', async () => {
    const providers = [inAppKeyProvider({ name: 'shared', secret: generateRootKey() })]
    const store = memoryKeyStore()
    const [one, other] = [1, 2].map(() => testKeyring({ domain: 'shared', providers, store }))
    const envelope = await createFieldCipher(one!, { field: 'test.value' }).seal('Ada')
    expect(await createFieldCipher(other!, { field: 'test.value' }).open(envelope)).toBe('Ada')
    expect(() => testKeyring({ domain: 'two words' })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    )
  })
})
